"""Every data set that the program reads: how it is told, how to get it, its terms; what a folder holds of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from train.datasets.coco_people import read_coco_people
from train.datasets.human36m import holds_human36m, read_human36m
from train.datasets.inf3dhp import holds_inf3dhp, read_inf3dhp
from train.datasets.labelled2d import DatasetError, read_labelled2d
from train.datasets.lsp import holds_lsp, read_lsp
from train.datasets.mpii import holds_mpii, read_mpii
from train.datasets.reading import Reading
from train.datasets.sample import Sample, resized
from train.datasets.synthetic import read_synthetic
from train.datasets.voc import holds_voc, read_voc_objects


@dataclass(frozen=True, slots=True)
class Known:
    """A data set that can be read."""

    name: str
    what: str
    get: str  # how to get it
    terms: str
    holds: Callable[[Path], bool]
    read: Callable[[Path], Reading]


@dataclass(frozen=True, slots=True)
class Entry:
    """What one folder holds of a data set, or that it is nowhere."""

    known: Known
    folder: Path | None
    facts: dict[str, object] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    error: str | None = None  # the folder looks like the set and cannot be read
    samples: tuple[Sample, ...] = ()

    def summary(self) -> dict[str, object]:
        """For a JSON file."""
        state = "missing" if self.folder is None else "damaged" if self.error else "found"
        found = {"folder": str(self.folder), **self.facts, "left_out": list(self.left_out)} if self.folder else {}
        return {"state": state, **found, "error": self.error, "get": self.known.get, "terms": self.known.terms}


def survey(folders: Sequence[Path]) -> list[Entry]:
    """An entry for each data set in the folders or one level below them, and one for each that is missing."""
    places = [p for folder in folders for p in (folder, *sorted(folder.iterdir())) if p.is_dir()]
    entries: list[Entry] = []
    for known in KNOWN:
        here = [_entry(known, place) for place in places if known.holds(place)]
        entries += here or [Entry(known, None)]
    return entries


def terms_of(folder: Path) -> str | None:
    """The terms of the data set that a folder holds; None where it is none that is known."""
    return next((known.terms for known in KNOWN if folder.is_dir() and known.holds(folder)), None)


def _entry(known: Known, folder: Path) -> Entry:
    try:
        reading = known.read(folder)
    except DatasetError as error:
        return Entry(known, folder, error=str(error))
    except ModuleNotFoundError as error:
        return Entry(known, folder, error=f'{error.name} is not installed; `pip install -e ".[paper]"`')
    facts = reading.facts or facts_of(reading.samples)
    return Entry(known, folder, facts, tuple(reading.lines()), samples=tuple(reading.samples))


def facts_of(samples: Sequence[Sample]) -> dict[str, object]:
    """Counts, the size of people, how often each joint is labelled, and who was captured doing what."""
    people = [s for s in samples if s.box is not None]
    facts: dict[str, object] = {"samples": len(samples)}
    if not people:
        return facts
    skeleton = max((s.skeleton for s in people), key=len)
    labelled = np.mean([resized(s.weight, len(skeleton))[:, 0] > 0 for s in people], axis=0)
    facts["box_side_px_median"] = round(float(np.median([s.box.side_px for s in people if s.box])), 1)
    facts["labelled_share"] = {n: round(float(v), 3) for n, v in zip(skeleton.names, labelled, strict=True)}
    facts["with_depth"] = sum(bool(s.weight[:, 2].any()) for s in people)
    facts["with_head_box"] = sum(s.head_xyxy is not None for s in people)
    captured = [s.captured for s in people if s.captured]
    if captured:
        for name in ("subject", "action", "camera"):
            facts[f"{name}s"] = sorted({getattr(c, name) for c in captured})
    return facts


def _whole(read: Callable[[Path], list[Sample]]) -> Callable[[Path], Reading]:
    """A reader that gives samples alone."""
    return lambda folder: Reading(folder, read(folder))


def _objects(folder: Path) -> Reading:
    things, reading = read_voc_objects(folder)
    reading.facts["objects"] = len(things)
    return reading


RESEARCH = "research use; registration"
KNOWN = (
    Known(
        "MPII Human Pose",
        "photos, 16 joints, head boxes",
        "human-pose.mpi-inf.mpg.de: images and mpii_human_pose_v1_u12_2.zip; or HRNet's annot/*.json",
        "annotation BSD; photos from YouTube, research use",
        holds_mpii,
        read_mpii,
    ),
    Known(
        "LSP, LSP extended",
        "photos of sports, 14 joints",
        "sam.johnson.io/research/lsp.html: joints.mat beside images/",
        "citation asked for; photos from Flickr",
        holds_lsp,
        read_lsp,
    ),
    Known(
        "labelled crops",
        "photos in zips, 14 joints",
        "docs/datasets.md: the layout",
        "those of their photos",
        lambda f: any(f.glob("*_joints.npz")) and any(f.glob("*.zip")),
        _whole(lambda folder: read_labelled2d(folder).all),
    ),
    Known(
        "COCO people",
        "photos, 17 keypoints, 12 of them ours",
        "cocodataset.org: annotations/person_keypoints_*.json, train2017/, val2017/",
        "annotation CC BY 4.0; photos by their Flickr licences",
        lambda f: any(f.glob("annotations/person_keypoints_*.json")),
        read_coco_people,
    ),
    Known(
        "Human3.6M, training subjects",
        "studio, 4 cameras, 3D",
        "vision.imar.ro/human3.6m: poses D2 and D3 mono, videos; then python -m train.datasets.human36m_release",
        RESEARCH,
        lambda f: holds_human36m(f, "train"),
        lambda f: read_human36m(f, "train"),
    ),
    Known(
        "Human3.6M, test subjects",
        "S9 and S11, to judge by",
        "vision.imar.ro/human3.6m: poses D2 and D3 mono, videos; then python -m train.datasets.human36m_release",
        RESEARCH,
        lambda f: holds_human36m(f, "test"),
        lambda f: read_human36m(f, "test"),
    ),
    Known(
        "MPI-INF-3DHP, test set",
        "6 recordings, 3D, to judge by",
        "vcai.mpi-inf.mpg.de/3dhp-dataset: mpi_inf_3dhp_test_set",
        "research use, no redistribution",
        holds_inf3dhp,
        read_inf3dhp,
    ),
    Known(
        "Pascal VOC 2012 objects",
        "things that hide people",
        "host.robots.ox.ac.uk/pascal/VOC/voc2012: VOCtrainval",
        "photos by their Flickr licences",
        holds_voc,
        _objects,
    ),
    Known(
        "rendered people",
        "made by this program",
        "python run.py synth --out FOLDER",
        "yours",
        lambda f: any(f.glob("shard_*.npz")),
        _whole(read_synthetic),
    ),
)
