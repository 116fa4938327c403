"""Which weights a user's own were made from."""

from __future__ import annotations

from pathlib import Path

from engine.user_weights import own_names, own_path
from engine.weights import BUNDLED, NAMES, Weights, read_weights


def made_from(weights: Weights) -> Weights | None:
    """The bundled or own weights that a fine-tuning began with; None where it was none, or they are gone."""
    record = weights.card.get("made_from")
    wanted = record.get("sha256") if isinstance(record, dict) else None
    if not wanted:
        return None
    paths: list[Path] = [BUNDLED / f"{name}.safetensors" for name in NAMES] + [own_path(name) for name in own_names()]
    for path in paths:
        if path.is_file() and (found := read_weights(path)).sha256 == wanted:
            return found
    return None
