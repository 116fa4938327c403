"""A calibrated lens for a live run: by its file, and at the size of the pictures that come."""

from __future__ import annotations

import hashlib
from pathlib import Path

from calib.camera import Camera
from calib.errors import UserError
from calib.formats import read_lenses
from engine.user_weights import chosen


def read_lens(text: str) -> Camera:
    """The camera of `FILE` or `FILE:CAMERA`, of any format that is read. UserError where the file holds several."""
    path, _, name = text.rpartition(":") if not Path(text).exists() else (text, "", "")
    cameras = read_lenses(path or text)
    if name and name not in cameras:
        raise UserError(f"{path} has no camera {name}; it has {', '.join(cameras)}")
    if not name and len(cameras) > 1:
        raise UserError(f"{text} has several cameras; say which: {', '.join(f'{text}:{one}' for one in cameras)}")
    return cameras[name] if name else next(iter(cameras.values()))


def at_size(camera: Camera, size_px: tuple[int, int]) -> Camera:
    """The lens for pictures of this width and height. UserError where it was calibrated in another mode."""
    try:
        return camera.scaled_to(*size_px)
    except ValueError:
        raise UserError(
            f"the lens was calibrated at {camera.width}x{camera.height}, the pictures are {size_px[0]}x{size_px[1]}: "
            "calibrate it in this mode, or leave --intrinsics out"
        ) from None


def weights_for(weights: str, lens: Camera | None) -> str:
    """`auto` with a lens that own weights were taught with means these weights."""
    if weights != "auto" or lens is None:
        return weights
    own = chosen(lens_key(lens))
    return weights if own is None else str(own)


def lens_key(camera: Camera) -> str:
    """A short name that is the same for the same lens at the same size of picture."""
    numbers = (camera.width, camera.height, *camera.K.round(2).ravel().tolist(), *camera.dist.round(5).tolist())
    return hashlib.sha256(f"{camera.model} {numbers}".encode()).hexdigest()[:16]
