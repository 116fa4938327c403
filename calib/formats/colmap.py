"""COLMAP's text model: a folder with `cameras.txt` and `images.txt`. No unit; pixel centres at halves; q as w x y z.

Each image is a camera of the rig, by its file name without the suffix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from calib.camera import Camera
from calib.errors import UserError
from calib.formats import checked
from calib.formats.found import Found
from calib.formats.source import make_folder, read_text, write_whole
from calib.rig import Rig

FILES = ("cameras.txt", "images.txt")
HALF_PX = 0.5  # COLMAP's (0.5, 0.5) is the middle of the first pixel, ours is (0, 0)
PICTURES = re.compile(r"\.(png|jpe?g|bmp|tiff?)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Lens:
    """How a model's numbers spread: focal lengths (1 or 2), then the centre, then distortions in OpenCV's order."""

    focals: int
    dists: int
    model: str = "pinhole"


LENSES = {
    "SIMPLE_PINHOLE": Lens(1, 0),
    "PINHOLE": Lens(2, 0),
    "SIMPLE_RADIAL": Lens(1, 1),
    "RADIAL": Lens(1, 2),
    "OPENCV": Lens(2, 4),
    "FULL_OPENCV": Lens(2, 8),
    "SIMPLE_RADIAL_FISHEYE": Lens(1, 1, "fisheye"),
    "RADIAL_FISHEYE": Lens(1, 2, "fisheye"),
    "OPENCV_FISHEYE": Lens(2, 4, "fisheye"),
}


def is_colmap(folder: Path) -> bool:
    """Whether the folder holds a text model."""
    return all((folder / file).is_file() for file in FILES)


def read(folder: Path) -> Found:
    """Cameras in the order of `images.txt`."""
    lenses = _lenses(read_text(folder / FILES[0]))
    cameras: dict[str, Camera] = {}
    for number, line in _image_lines(read_text(folder / FILES[1])):
        where = f"images.txt, line {number}"
        fields = line.split(maxsplit=9)
        if len(fields) != 10:
            raise UserError(f"{where} needs 10 fields, not {len(fields)}; is the file cut short?")
        if fields[8] not in lenses:
            raise UserError(f"{where} names camera {fields[8]}, which cameras.txt does not have")
        name = PICTURES.sub("", fields[9].strip())
        if name in cameras:
            raise UserError(f"{where}: picture {name} is there twice; a rig needs one picture a camera")
        q = _numbers(fields[1:5], where)
        if not 0.99 < np.linalg.norm(q) < 1.01:
            raise UserError(f"{where}: the quaternion has length {np.linalg.norm(q):.3g}, not 1; is the file damaged?")
        R = Rotation.from_quat(q, scalar_first=True).as_matrix()
        size, K, dist, model = lenses[fields[8]]
        cameras[name] = checked.camera(
            where, size=size, K=K, dist=dist, R=R, t=_numbers(fields[5:8], where), model=model
        )
    if not cameras:
        raise UserError("images.txt has no image; give a model with registered pictures")
    return Found(cameras, None, scale_free=True)


def _lenses(text: str) -> Mapping[str, tuple]:
    """Size, K, distortions and model by COLMAP's camera id."""
    lenses = {}
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        where = f"cameras.txt, line {number}"
        if len(fields) < 4 or fields[1] not in LENSES:
            raise UserError(f"{where}: no lens model that is known ({', '.join(LENSES)})")
        lens = LENSES[fields[1]]
        numbers = _numbers(fields[4:], where)
        if len(numbers) != lens.focals + 2 + lens.dists:
            raise UserError(f"{where}: {fields[1]} needs {lens.focals + 2 + lens.dists} numbers, not {len(numbers)}")
        fx, fy = numbers[0], numbers[lens.focals - 1]
        cx, cy = numbers[lens.focals : lens.focals + 2] - HALF_PX
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
        lenses[fields[0]] = (checked.size_px(_numbers(fields[2:4], where), where), K, *_dist(numbers, lens))
    return lenses


def _dist(numbers: np.ndarray, lens: Lens) -> tuple[np.ndarray, str]:
    dist = numbers[lens.focals + 2 :]
    if lens.model == "fisheye":
        return np.pad(dist, (0, 4 - len(dist))), "fisheye"
    if len(dist) == 8 and not dist[5:].any():
        dist = dist[:5]
    return dist, "pinhole"


def _image_lines(text: str) -> list[tuple[int, str]]:
    """Every other line that is no comment; the ones between list points and may be empty."""
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if not line.startswith("#")]
    while lines and not lines[0][1].strip():
        lines = lines[1:]
    return [line for line in lines[::2] if line[1].strip()]


def _numbers(fields: list[str], where: str) -> np.ndarray:
    try:
        return checked.array([float(field) for field in fields], where)
    except ValueError:
        raise UserError(f"{where} is not made of numbers: {' '.join(fields)}") from None


def write(rig: Rig, folder: Path) -> None:
    """The three files of a text model, in metres; the points are empty."""
    lenses = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"]
    images = ["# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME", "# POINTS2D[] as (X, Y, POINT3D_ID)"]
    for number, (name, camera) in enumerate(rig.cameras.items(), 1):
        if camera.cam_from_world is None:
            raise UserError(f"camera {name} has no place in a world, which this format needs; write a rig.toml")
        if not re.fullmatch(r"[\w.+/-]+", name) or PICTURES.search(name):
            raise UserError(f"camera name {name!r} does not fit this format; use letters, digits, - and _")
        lenses.append(f"{number} {_lens_text(camera)}")
        q = Rotation.from_matrix(camera.R).as_quat(scalar_first=True)
        images += [f"{number} {_text(q)} {_text(camera.t)} {number} {name}.png", ""]
    make_folder(folder)
    write_whole(folder / FILES[0], "\n".join(lenses) + "\n")
    write_whole(folder / FILES[1], "\n".join(images) + "\n")
    write_whole(folder / "points3D.txt", "# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]\n")


def _lens_text(camera: Camera) -> str:
    name = "OPENCV_FISHEYE" if camera.model == "fisheye" else "FULL_OPENCV" if camera.dist[4:].any() else "OPENCV"
    dist = np.pad(camera.dist, (0, 8))[: LENSES[name].dists]
    K = camera.K
    focals_center = np.array([K[0, 0], K[1, 1], K[0, 2] + HALF_PX, K[1, 2] + HALF_PX])
    return f"{name} {camera.width} {camera.height} {_text(focals_center)} {_text(dist)}"


def _text(numbers: np.ndarray) -> str:
    return " ".join(map(repr, numbers.tolist()))
