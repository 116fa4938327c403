"""Checkpoints of a run: on disk whole or not at all, and enough to end a run that was killed behind its last step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

if TYPE_CHECKING:
    from train.fit import PoseTraining


class WholeFiles(TorchCheckpointIO):
    """Writes beside the old checkpoint, then replaces it.

    Lightning writes into the system's temporary folder and moves the file: from another disk that is a copy, which a
    killed process leaves half done, and the temporary file stays.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The file has its name only when it is whole."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        try:
            with open(partial, "wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def ended(training: PoseTraining, last: Path) -> bool:
    """Whether the budget was used when this checkpoint was written; then its weights are in `training`.

    Lightning would take one more step before it asks.
    """
    held = torch.load(last, map_location="cpu", weights_only=False)
    training.on_load_checkpoint(held)
    if training.progress < 1.0:
        return False
    training.load_state_dict(held["state_dict"])  # with averaging the averaged weights
    return True
