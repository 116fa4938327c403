"""Putting weights in the place of the bundled ones, with everything that the repository says of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from engine.weights import Weights
from train.bundle.comparison import CHOSEN_BY, GAIN_MIN, BundleError, Record, gain
from train.bundle.curve import block_of, curve_text, draw_curve, read_curve, with_block
from train.bundle.pages import Places, check_pages, renewed_pages
from train.failures import write_failures


def candidate_file(run: Path) -> Path:
    """The weights of a run folder, or the file itself. BundleError where there are none."""
    path = run / "lite.safetensors" if run.is_dir() else run
    if not path.is_file():
        raise BundleError(f"no {path}; a training writes it at its end")
    return path


def check_gain(record: Record, *, force: bool) -> None:
    """BundleError where the candidate did not gain enough on the list that chooses."""
    gained = gain(record)
    if gained < GAIN_MIN and not force:
        raise BundleError(
            f"PCK@0.2 on {CHOSEN_BY} gained {gained:+.4f}, less than {GAIN_MIN}: nothing was taken; "
            "train on, or take it all the same with --force"
        )


def take(
    weights: Weights,
    path: Path,
    record: Record,
    places: Places,
    *,
    draw: Callable[[str, Path], Path] = write_failures,
) -> list[Path]:
    """Replace the bundled weights by `weights`, the file at `path`, and renew what is said of them; what was written.

    What takes long comes first, into files beside, so that a run which is stopped there has changed nothing.
    """
    check_pages(places)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        raise BundleError(f"{path} is not the file that was judged: it was written anew meanwhile; judge it again")
    failures = draw(str(path), places.failures.with_suffix(".part.jpg"))
    blocks = with_block(read_curve(places.curve), block_of(weights, path))
    picture = draw_curve(blocks, places.curve_picture.with_suffix(".part.png"))
    os.replace(failures, places.failures)
    os.replace(picture, places.curve_picture)
    _write(places.weights, data)
    _write(places.curve, curve_text(blocks).encode())
    _write(places.figures, (json.dumps(record, indent=2) + "\n").encode())
    pages = renewed_pages(places)
    for page, text in pages.items():
        _write(page, text.encode())
    return [places.weights, places.figures, places.curve, places.curve_picture, places.failures, *pages]


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)
