"""Pretraining: find the data, fit, calibrate the score, write a weights file with its card."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from engine.crop import Box
from engine.decode import Decoded
from engine.joints import ScoreMap, fill_of
from engine.model import ARCHITECTURES, Architecture, PoseResNet
from engine.skeleton import LIMB_JOINTS
from engine.weights import Weights, load_weights, read_weights, write_weights
from train.backbone import backbone_start
from train.calibrate_score import auroc, expected_calibration_error, fit_score_map
from train.card import Origin, card_of, kept_origin, origin_of, write_configuration
from train.crops_seen import predict
from train.datasets.found import Found, Kind, find_datasets
from train.datasets.labelled2d import VALIDATION_LISTS, DatasetError, frozen_list, judged_names, torso_labelled
from train.datasets.sample import Sample
from train.fit import Phase, Recipe, fit
from train.metrics import pck_hits, swap_rate
from train.plots import contact_sheet, plot_curves
from train.ranks import is_first, rank, until, wait_for_all, world
from train.stream import Pool
from train.supply import Supply, SupplyOptions
from train.synthetic.shards import free_cores
from train.synthetic.sources import SourceFolders, Sources

_log = logging.getLogger(__name__)
# shares of a batch by kind of data; kinds that are absent leave their share to the others
SHARES: dict[Kind, float] = {"labelled": 0.38, "captured": 0.3, "pseudo": 0.14, "synthetic": 0.42, "background": 0.06}
# of photos that are on no frozen list, every so many judge; with fewer than that a figure means nothing
VALIDATION_EVERY, VALIDATION_MIN = 20, 8
# the score map is fitted on boxes that fit, and on wider ones as a search has them
SCORE_SCALES = (1.0, 1.6, 2.4)
SHEET = 60  # people on the contact sheet of predictions
PARTS = ("cbam", "wasp", "lateral", "occlusion")  # what an ablation leaves out (the paper's Table 4, but lateral)


@dataclass(frozen=True, slots=True)
class Preset:
    """A recipe for any network and any length."""

    phases: tuple[tuple[float, float, float], ...]  # until (share of time), size (share of the input), strength
    learning_rate: float = 1e-3
    schedule: Literal["cosine", "flat"] = "cosine"
    frozen: tuple[str, ...] = ()  # parts that are not taught any more
    lean: bool = False  # towards what the network gets wrong
    batch: int = 16  # after as many crops further than with 32 from random numbers, though a crop takes a tenth longer


STEM = ("conv1.", "bn1.", "cbam_in.", "layer1.")
PRESETS = {
    # small crops first: several times more images per second; the last stage has the size that ships
    "default": Preset(((0.68, 0.5, 0.4), (1.0, 1.0, 0.4))),
    # for weights that were trained already: small crops and large steps would first undo what they know
    "continue": Preset(((1.0, 1.0, 0.45),), learning_rate=4e-4, frozen=STEM, batch=32),
    # without an end: each sitting goes on where the last one was, and `continue` ends it. The stem learned its edges
    # and colours long before: without its backward pass a step takes a fifth less
    "standing": Preset(((1.0, 1.0, 0.45),), learning_rate=5e-4, schedule="flat", frozen=STEM, lean=True, batch=32),
    # for comparisons: small crops alone teach within minutes what a part is worth
    "small": Preset(((1.0, 0.5, 0.4),)),
}


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What a run ended with."""

    weights: Path
    figures: dict[str, float]
    images_seen: int
    hours: float
    data_wait: float  # share of the last epoch's time


def recipe_for(
    preset: str, input_px: int, *, hours: float, crops: int | None = None, seed: int = 0, without: Sequence[str] = ()
) -> Recipe:
    """A preset's recipe for a network of this input side; with `crops` those are the budget, not the hours."""
    phases = tuple(
        Phase(until, max(32, int(input_px * share) // 32 * 32), strength)
        for until, share, strength in PRESETS[preset].phases
    )
    chosen = PRESETS[preset]
    same = {name: getattr(chosen, name) for name in ("learning_rate", "batch", "schedule", "frozen", "lean")}
    recipe = Recipe(hours=hours, crops=crops, phases=phases, seed=seed, **same)
    if "occlusion" in without:
        return replace(recipe, augmentation=replace(recipe.augmentation, occlusion=0.0))
    return recipe


def pretrain(
    folders: Sequence[Path],
    out: Path,
    *,
    name: str = "lite",
    recipe: Recipe,
    preset: str | None = None,
    warm_start: str | None = None,
    backbone: str | None = None,
    without: Sequence[str] = (),
    people: SourceFolders | None = None,
) -> Pretrained:
    """Train `name` on the data sets in `folders`; `out` becomes the run folder and holds NAME.safetensors.

    With `people` synthetic people are rendered from these sources while it trains. `preset` is the name that its recipe
    has in the card.

    A run folder that has a checkpoint is resumed. DatasetError when the data cannot teach, WeightsError when a
    start does not fit.
    """
    found = find_datasets(folders)
    for line in (line for f in found for line in f.left_out if is_first()):
        _log.warning(line)
    pools, validations = pools_of(found)
    switches = {part: False for part in ("cbam", "wasp", "lateral") if part in without}
    architecture = replace(ARCHITECTURES[name], **switches)
    start, warm = None, None if warm_start is None else load_weights(warm_start)
    origin = origin_of(warm, backbone, preset=preset)
    if warm is not None:
        start = grown(warm, architecture).network().state_dict()
    if backbone is not None:
        start = backbone_start(architecture, backbone, pools[0].samples)
    with contextlib.ExitStack() as stack:
        if people is not None:
            supply = stack.enter_context(supply_for(out, people, architecture.input_px, recipe))
            pools = [replace(p, renewed=supply.samples) if p.name == "synthetic" else p for p in pools]
        what = {"name": name, "architecture": architecture, "recipe": recipe, "start": start, "origin": origin}
        return learn(found, pools, validations, out, **what)


def grown(weights: Weights, architecture: Architecture) -> Weights:
    """Trained weights for another architecture. Lateral connections that they lack change nothing at first.

    Joints that they lack begin as the joints that they hang on.
    """
    lateral = {k: v for k, v in PoseResNet(architecture).state_dict().items() if k.startswith("lateral.")}
    state = {**lateral, **weights.state}
    if len(architecture.joints) > len(weights.skeleton):
        known, names = range(len(weights.skeleton)), architecture.joints.parents
        rows = [*known, *(names[joint] for joint in range(len(known), len(architecture.joints)))]
        for key in ("head.weight", "head.bias"):
            maps = weights.state[key].unflatten(0, (len(known), -1))  # (joints, depth bins, ...)
            state[key] = maps[rows].flatten(0, 1)
    return replace(weights, architecture=architecture, state=state)


def learn(
    found: Sequence[Found],
    pools: Sequence[Pool],
    validation: Sequence[Sample] | Mapping[str, Sequence[Sample]],
    out: Path,
    *,
    name: str,
    architecture: Architecture,
    recipe: Recipe,
    start: dict[str, torch.Tensor] | None = None,
    origin: Origin | None = None,
    occluders: Sources | None = None,
) -> Pretrained:
    """Train on pools in the run folder `out`, and write weights with their card (of `found`), curves and a sheet.

    `origin` says what `start` is; None: it is not written down.
    """
    recipe = in_epochs(recipe, sum(len(pool.samples) for pool in pools))
    path = out / f"{name}.safetensors"
    if is_first():
        origin = origin and kept_origin(out, origin)
        write_configuration(out, name, recipe, found, origin)
    run, state = fit(architecture, pools, validation, recipe, out, start=start, occluders=occluders)
    if is_first():
        chosen_by = next(iter(validation.values())) if isinstance(validation, Mapping) else validation
        weights = Weights(name, architecture, state, recipe.window, ScoreMap(0.0, 1.0, 0.0), {}, "")
        weights = calibrated(weights, chosen_by, card=card_of(found, recipe, run, origin))
        write_weights(weights, path)
        plot_curves(out)
        contact_sheet(weights.decoded(), chosen_by[:SHEET], architecture.input_px, out / "predictions.jpg")
    until(path.is_file)
    wait_for_all()
    figures = read_weights(path).card["figures"]
    assert isinstance(figures, dict)
    return Pretrained(path, figures, run.images_seen, run.hours, run.data_wait)


def in_epochs(recipe: Recipe, samples: int) -> Recipe:
    """A recipe of epochs as a budget of crops, an epoch of the loop for each."""
    if recipe.epochs is None:
        return recipe
    return replace(recipe, crops=recipe.epochs * samples, batches_per_epoch=-(-samples // recipe.batch))


def supply_for(out: Path, people: SourceFolders, input_px: int, recipe: Recipe) -> Supply:
    """People at the size that the network sees, rendered on the card where there is one, else on the CPU."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    processes = max(1, free_cores() // 2) if device == "cuda" else 1  # on a card, planning them is what takes long
    folder, seed = out / "people", recipe.seed
    if world() > 1:  # each process has people of its own
        folder, seed = out / f"people-{rank()}", recipe.seed * world() + rank()
    return Supply(folder, SupplyOptions(people, input_px, seed, device, processes))


def pools_of(found: Sequence[Found]) -> tuple[list[Pool], dict[str, list[Sample]]]:
    """Pools to train on, without the frozen lists, and the validation lists: the first chooses, others are reported.

    DatasetError when there are too few photos to choose by.
    """
    labelled = [s for f in found if f.kind == "labelled" for s in f.samples]
    listed = {name: [s for s in labelled if s.name in frozen_list(file)] for name, file in VALIDATION_LISTS.items()}
    validations = {name: samples for name, samples in listed.items() if samples}
    if not validations:
        validations = {"photos": [s for s in labelled if torso_labelled(s)][::VALIDATION_EVERY]}
    if len(next(iter(validations.values()))) < VALIDATION_MIN:
        raise DatasetError(
            f"{len(labelled)} labelled photos are too few to choose a model by; "
            f"give at least {VALIDATION_MIN * VALIDATION_EVERY} with both shoulders and hips labelled"
        )
    held_out = judged_names()
    held_out |= {s.name for validation in validations.values() for s in validation}
    pools = []
    for kind, share in SHARES.items():
        samples = [s for f in found if f.kind == kind for s in f.samples if s.name not in held_out]
        pools.append(Pool(kind, samples, share))
    return pools, validations


def calibrated(weights: Weights, validation: Sequence[Sample], *, card: dict[str, object]) -> Weights:
    """The weights with a score map fitted on half of the validation list, and figures, scores on the other half."""
    model = Decoded(weights.network(), window=weights.window).eval()
    seen = [predict(model, _wider(validation, k), weights.architecture.input_px) for k in SCORE_SCALES]
    judged = [pck_hits(s.joints[..., :2], s.target[..., :2], s.labelled) for s in seen]
    mass = np.stack([s.joints[:, list(LIMB_JOINTS), 6] for s in seen])  # (scales, people, limbs)
    fill = np.stack([fill_of(s.joints[..., :2]) for s in seen])[..., None] * np.ones_like(mass)
    hits, counts = (np.stack(column) for column in zip(*judged, strict=True))
    half = (np.arange(len(validation)) % 2 == 0)[:, None]
    fitted, held = counts & half, (counts & ~half)[0]
    score_map = fit_score_map(mass[fitted], fill[fitted], hits[fitted])
    score = score_map(mass[0], fill[0][:, 0])[held]
    joints, target, labelled = seen[0].joints[..., :2], seen[0].target[..., :2], seen[0].labelled
    figures = {
        "validation_pck_at_0.2": round(float(hits[0].sum() / counts[0].sum()), 4),
        "validation_swap_rate": round(swap_rate(joints, target, labelled), 4),
        "score_ece": round(expected_calibration_error(score, hits[0][held]), 4),
        "score_auroc": round(auroc(score, hits[0][held]), 4),
    }
    figures = {name: value for name, value in figures.items() if np.isfinite(value)}
    return replace(weights, score_map=score_map, card={**card, "figures": figures})


def _wider(samples: Sequence[Sample], scale: float) -> list[Sample]:
    """The same people in boxes so many times as wide, as a search sees them."""
    return [replace(s, box=s.box and Box(s.box.center_px, s.box.side_px * scale)) for s in samples]
