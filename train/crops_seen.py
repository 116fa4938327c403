"""What a network says about the plain crops of some samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64
from numpy import ndarray

from engine.decode import Decoded
from train.datasets.sample import Sample
from train.stream import plain_loader


@dataclass(frozen=True, slots=True)
class Seen:
    """Predictions and labels of the same crops, in crop units."""

    joints: Float64[ndarray, "n joints 7"]
    presence: Float64[ndarray, "n"]
    target: Float64[ndarray, "n joints 3"]
    labelled: Bool[ndarray, "n joints"]


@torch.inference_mode()
def predict(model: Decoded, samples: Sequence[Sample], size_px: int) -> Seen:
    """Run the samples through the model, on the card where there is one, with the boxes of their labels."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    parts = []
    for batch in plain_loader(samples, size_px=size_px, joints=len(model.network.architecture.joints)):
        joints, presence = model(batch["image"].to(device).float())
        parts.append((joints.cpu(), presence.cpu(), batch["target"], batch["weight"][..., 0] > 0))
    joints, presence, target, labelled = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    return Seen(joints.astype(np.float64), presence.astype(np.float64), target.astype(np.float64), labelled)
