"""What a network must not forget: people that it never sees in any fine-tuning, rendered from fixed seeds.

The pictures are made once and kept in the cache: seeds stand for them in the repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from engine.crop import crop_camera, lift
from engine.decode import Decoded
from engine.skeleton import BONE_OVER_HEIGHT, CORE, ROOT
from realtime.progress import Step
from train.crops_seen import predict
from train.datasets.sample import Sample
from train.datasets.synthetic import read_synthetic
from train.pose_errors import PoseErrors, mean_mm, pose_errors
from train.synthetic.body import cache_folder
from train.synthetic.shards import write_shards
from train.synthetic.sources import SourceFolders

SEED, PEOPLE, SIZE_PX = 77_000, 128, 192
PER_SHARD = 32
HEIGHT_M = 1.70  # errors are those of a person of this height


def regression_samples(*, people: int = PEOPLE, folder: Path | None = None, step: Step) -> list[Sample]:
    """The set; rendered where it is not there yet."""
    folder = folder or cache_folder() / f"regression_{SEED}_{people}"
    sources = SourceFolders(split="test")
    for done in write_shards(
        folder, people, seed=SEED, size_px=SIZE_PX, sources=sources, per_shard=min(PER_SHARD, people)
    ):
        step(done, people, "people to remember")
    return read_synthetic(folder)


def people_errors(model: Decoded, samples: Sequence[Sample], input_px: int) -> PoseErrors:
    """Errors over all joints of `mpii16`, hidden ones too, mm for a person of 1.70 m whose distance is known."""
    seen = predict(model, samples, input_px)
    said, told, known = seen.joints[:, CORE], seen.target[:, CORE], seen.labelled[:, CORE]
    predicted, true = np.empty(told.shape), np.empty(told.shape)
    for i, sample in enumerate(samples):
        assert sample.box is not None
        camera = crop_camera(sample.box, sample.K, input_px)
        predicted[i] = lift(camera, said[i, :, :2], said[i, :, 2] - said[i, ROOT, 2], root_z_m=1.0)
        true[i] = lift(camera, told[i, :, :2], told[i, :, 2], root_z_m=1.0)
        distance_m = _distance_m(true[i], known[i])
        predicted[i] *= distance_m
        true[i] *= distance_m
    return pose_errors(predicted, true, known)


def people_mm(model: Decoded, samples: Sequence[Sample], input_px: int) -> float:
    """N-MPJPE of these people, the mean of `people_errors`."""
    return mean_mm(people_errors(model, samples, input_px).n_mpjpe)


def _distance_m(pose: Float64[ndarray, "joints 3"], known: Bool[ndarray, "joints"]) -> float:
    """Where a pose with its root 1 m away has the size of a person of `HEIGHT_M`, by the bones in the picture."""
    child, parent = np.array(list(BONE_OVER_HEIGHT)).T
    both = known[child] & known[parent]
    length = float(np.linalg.norm(pose[child] - pose[parent], axis=1)[both].sum())
    expected = float(np.array(list(BONE_OVER_HEIGHT.values()))[both].sum())
    return HEIGHT_M * expected / length if both.any() else float("nan")
