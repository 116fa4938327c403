"""The paper's training (4.3, 4.4): 2D on MPII, then 3D on Human3.6M from labels of two views, or from the studio's own.

Each stage is a run folder of its own, resumable; one that has its weights is done. What the paper leaves open is listed
in docs/reproduce.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from engine.model import PAPER_ARCHITECTURES, Architecture
from engine.weights import read_weights
from realtime.takes.arrays import read_arrays, write_arrays
from train.augment import Augmentation
from train.backbone import backbone_start
from train.datasets.found import Found
from train.datasets.human36m import holds_human36m, read_human36m
from train.datasets.labelled2d import DatasetError
from train.datasets.mpii import holds_mpii, read_mpii
from train.datasets.sample import Sample
from train.datasets.voc import holds_voc, read_voc_objects
from train.loss import LossWeights
from train.paper.labels import PairReport, epipolar_labels
from train.pretrain import learn
from train.ranks import is_first, until
from train.recipe import Phase, Recipe
from train.stream import Pool
from train.synthetic.shards import free_cores
from train.synthetic.sources import SourceFolders, Sources

Supervision = Literal["self", "full"]
SUPERVISION: dict[str, Supervision] = {"paper": "self", "paper-supervised": "full"}  # by preset
EPOCHS, BATCH, LEARNING_RATE, OCCLUSION = 130, 16, 1e-3, 0.5  # 5.2, 4.2
# Eq. 3 has beta 1 and no unit. In crop units nothing would ever be above it; a cell of the paper's 64-cell map is
CELLS = 64
LABELS = "epipolar_labels.npz"
FIELDS = ("name", "joints_px", "relative_depth", "weight", "weights")
AGAIN = "remove it, it is made anew"


@dataclass(frozen=True, slots=True)
class Data:
    """Where the paper's data sets lie."""

    mpii: Path
    human36m: Path | None = None
    voc: Path | None = None  # or COCO in its stead; None: made-up shapes hide people
    backbone: str | None = None  # a torchvision checkpoint, a folder of them, or open-nsfw; None: a random start


@dataclass(frozen=True, slots=True)
class Variant:
    """One network and what it is taught: a row of a table."""

    name: str = "full"
    backbone: int | None = None  # of Table 3; None: the network's own
    half: bool = False  # bottlenecks of half the channels, as open_nsfw has them
    cbam: bool = True
    wasp: bool = True
    occlusion: bool = True
    transfer: bool = True  # the 3D network starts from the 2D one's weights

    @property
    def architecture(self) -> Architecture:
        """The paper's network."""
        base = PAPER_ARCHITECTURES[self.name]
        depth, width = self.backbone or base.backbone, 0.5 if self.half else 1.0
        return replace(base, backbone=depth, cbam=self.cbam, wasp=self.wasp, width=width, stride_first=self.half)

    @property
    def network(self) -> str:
        """Names the 2D stage, which variants of one architecture share."""
        parts = ["half"] * self.half + ["cbam"] * self.cbam + ["wasp"] * self.wasp
        return "-".join([f"resnet{self.architecture.backbone}", *parts])


def paper_recipe(input_px: int, *, epochs: int = EPOCHS, occlusion: bool, seed: int = 0, workers: int = 4) -> Recipe:
    """Adam, 1e-3, batches of 16, 130 epochs, smooth-L1 on joints of a soft-argmax over the whole volume."""
    return Recipe(
        hours=1e9,  # epochs are the limit
        phases=(Phase(1.0, input_px, 0.4),),
        learning_rate=LEARNING_RATE,
        weight_decay=0.0,
        batch=BATCH,
        ema=0.0,
        seed=seed,
        workers=workers,
        precision="32-true",
        window=None,
        loss=LossWeights(heatmap=0.0, depth_map=0.0, xy=CELLS, z=CELLS, presence=0.5, beta=1 / CELLS),
        augmentation=Augmentation(occlusion=OCCLUSION if occlusion else 0.0),
        warmup_steps=0,
        epochs=epochs,
        schedule="steps",
    )


def data_in(folders: Sequence[Path], backbone: str | None = None) -> Data:
    """Which of the paper's data sets some folders hold. DatasetError where MPII or Human3.6M is not among them."""
    mpii = next((f for f in folders if holds_mpii(f)), None)
    human36m = next((f for f in folders if holds_human36m(f, "train")), None)
    if mpii is None or human36m is None:
        lacking = "MPII" if mpii is None else "Human3.6M"
        raise DatasetError(f"no folder of {lacking} was given; `python run.py datasets` says how to get it")
    things = next((f for holds in (holds_voc, _holds_coco_objects) for f in folders if holds(f)), None)
    return Data(mpii, human36m, things, backbone)


def things_that_hide(folder: Path) -> Sources:
    """Objects of Pascal VOC, or of COCO in its stead. DatasetError where the folder holds neither."""
    if _holds_coco_objects(folder):
        return Sources(cutouts=SourceFolders(coco=folder).read().cutouts)
    return Sources(cutouts=tuple(read_voc_objects(folder)[0]))


def _holds_coco_objects(folder: Path) -> bool:
    return any(folder.glob("annotations/instances_*.json"))


def train_by_preset(
    data: Data, out: Path, *, preset: str, variant: Variant, epochs: int = EPOCHS, seed: int = 0
) -> Path:
    """Both stages of `paper` or `paper-supervised`; the 3D network's weights."""
    size = variant.architecture.input_px
    recipe = paper_recipe(size, epochs=epochs, occlusion=variant.occlusion, seed=seed, workers=free_cores())
    first = first_stage(data, variant, out, recipe)
    return second_stage(data, variant, SUPERVISION[preset], out, recipe, first=first)


def first_stage(data: Data, variant: Variant, out: Path, recipe: Recipe) -> Path:
    """The 2D network on MPII's training part, without synthetic occlusion (4.2 has it on Human3.6M); its weights."""
    folder = out / f"2d-{variant.network}"
    path = folder / f"{variant.name}.safetensors"
    if _done(path, recipe):
        return path
    taught, validation = read_mpii(data.mpii), read_mpii(data.mpii, "valid").samples
    recipe = replace(recipe, augmentation=replace(recipe.augmentation, occlusion=0.0))
    found = [Found(data.mpii, "labelled", taught.samples, tuple(taught.lines()))]
    pools = [Pool("labelled", taught.samples, 1.0)]
    what = {"name": variant.name, "architecture": variant.architecture, "recipe": recipe}
    return learn(found, pools, validation, folder, start=_start(data, variant, taught.samples), **what).weights


def second_stage(
    data: Data, variant: Variant, supervision: Supervision, out: Path, recipe: Recipe, *, first: Path
) -> Path:
    """The 3D network on Human3.6M's training subjects; its weights. DatasetError where no labels can be made."""
    folder = out / f"3d-{supervision}-{variant.network}{_left_out(variant)}"
    path = folder / f"{variant.name}.safetensors"
    if _done(path, recipe):
        return path
    assert data.human36m is not None
    reading = read_human36m(data.human36m, "train")
    samples = reading.samples
    if supervision == "self":
        samples = cached_labels(samples, first, first.parent / LABELS)
    start = read_weights(first).state if variant.transfer else _start(data, variant, samples)
    occluders = things_that_hide(data.voc) if data.voc and variant.occlusion else None
    found = [Found(data.human36m, "captured", samples, tuple(reading.lines()))]
    validation = read_mpii(data.mpii, "valid").samples  # never test subjects
    what = {"name": variant.name, "architecture": variant.architecture, "recipe": recipe, "occluders": occluders}
    return learn(found, [Pool("captured", samples, 1.0)], validation, folder, start=start, **what).weights


def _done(path: Path, recipe: Recipe) -> bool:
    """Whether a stage has its weights. DatasetError where they came from another number of epochs or another seed."""
    if not path.is_file():
        return False
    held = read_weights(path).card["recipe"]
    assert isinstance(held, dict)
    for name in ("epochs", "seed"):
        asked = getattr(recipe, name)
        if held[name] != asked:
            raise DatasetError(f"{path.parent} was trained with {name} = {held[name]}, not {asked}; give another --out")
    return True


def cached_labels(samples: Sequence[Sample], first: Path, path: Path) -> list[Sample]:
    """Labels from two views, made once by the first process and kept (the paper caches them, too).

    They belong to the weights that saw the joints: with others they are made anew.
    """
    weights = read_weights(first)

    def made() -> bool:
        return path.is_file() and str(read_arrays(path, FIELDS, again=AGAIN)["weights"]) == weights.sha256

    if is_first() and not made():
        labelled, reports = epipolar_labels(samples, weights)
        for line in report_lines(reports):
            print(line)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {f: np.stack([np.asarray(getattr(s, f)) for s in labelled]) for f in FIELDS if f != "weights"}
        write_arrays(path, {**arrays, "weights": np.array(weights.sha256)})
    until(made)
    held = read_arrays(path, FIELDS, again=AGAIN)
    by_name = {s.name: s for s in samples}
    if missing := [name for name in held["name"] if str(name) not in by_name]:
        raise DatasetError(f"{path} has labels of {missing[0]}, which the data set lacks; {AGAIN}")
    rows = zip(held["name"], held["joints_px"], held["relative_depth"], held["weight"], strict=True)
    return [replace(by_name[str(n)], joints_px=px, relative_depth=depth, weight=w) for n, px, depth, w in rows]


def report_lines(reports: Sequence[PairReport]) -> list[str]:
    """For a terminal: how each pair of cameras did."""
    lines = []
    for r in reports:
        said = r.failed or f"{r.moments} moments, {r.kept_share:.0%} of joints kept"
        turned = "" if r.turn_deg is None else f", turned by {r.turn_deg:.2f} degrees from the truth"
        lines.append(f"{r.subject} {r.cameras[0]}, {r.cameras[1]}: {said}{turned}")
    return lines


def _left_out(variant: Variant) -> str:
    return (
        ""
        if variant.occlusion and variant.transfer
        else "-" + "-".join(["unoccluded"] * (not variant.occlusion) + ["untransferred"] * (not variant.transfer))
    )


def _start(data: Data, variant: Variant, photos: Sequence[Sample]) -> dict | None:
    """A pretrained backbone, where one was given."""
    return None if data.backbone is None else backbone_start(variant.architecture, data.backbone, photos)
