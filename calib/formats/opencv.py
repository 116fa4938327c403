"""OpenCV's FileStorage: one camera, a stereo pair (M1 D1 M2 D2 R T), or this project's list `cameras`.

A pair's world is its first camera, and its T is in whatever unit the board's square had.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from calib.camera import Camera
from calib.errors import UserError
from calib.formats import checked
from calib.formats.found import Found
from calib.formats.source import read_text
from calib.formats.storage import Storage
from calib.formats.units import METRES, Unit
from calib.rig import Rig

ONE_K = ("camera_matrix", "Camera_Matrix", "cameraMatrix", "K")
ONE_DIST = ("distortion_coefficients", "Distortion_Coefficients", "distCoeffs", "dist_coeffs", "D")
PAIR_K = (("M1", "K1", "cameraMatrix1"), ("M2", "K2", "cameraMatrix2"))
PAIR_DIST = (("D1", "distCoeffs1"), ("D2", "distCoeffs2"))
WIDTH, HEIGHT = ("image_width", "image_Width"), ("image_height", "image_Height")
PAIR_FILES = ("intrinsics.yml", "extrinsics.yml")
WORLD = "the world is the first camera's axes: no floor is known"


def is_pair_folder(folder: Path) -> bool:
    """Whether the folder holds the two files that OpenCV's stereo sample writes."""
    return all((folder / name).is_file() for name in PAIR_FILES)


def read_pair_folder(folder: Path, *, size: tuple[int, int] | None) -> Found:
    """Lenses from `intrinsics.yml`, R and T from `extrinsics.yml`."""
    lenses, pose = (Storage(read_text(folder / name), name) for name in PAIR_FILES)
    return _pair(lenses, pose, size)


def read(text: str, name: str, *, size: tuple[int, int] | None) -> Found:
    """Whichever of the three it is."""
    storage = Storage(text, name)
    if isinstance(rows := storage.first("cameras"), list):
        return _list(storage, rows)
    if storage.first(*PAIR_K[0]) is not None:
        return _pair(storage, storage, size)
    if storage.first(*ONE_K) is None:
        raise UserError(
            f"{name} has no camera_matrix, no M1 and no cameras; its keys: {', '.join(list(storage.root)[:12])}"
        )
    size = size or _size(storage)
    camera = _camera(storage, name, ONE_K, ONE_DIST, size=size, fisheye=_is_fisheye(storage))
    label = name.rsplit(".", 1)[0]
    return Found({label: camera}, None, notes=() if size else (checked.size_guess([label], {label: camera}),))


def _pair(lenses: Storage, pose: Storage, size: tuple[int, int] | None) -> Found:
    size = size or _size(lenses) or _size(pose)
    places: list[dict[str, Any]] = [{}, {}]
    if any(pose.first(key) is not None for key in ("R", "T")):
        places = [{"R": np.eye(3), "t": np.zeros(3)}, {"R": _wanted(pose, "R"), "t": _wanted(pose, "T")}]
    cameras = {}
    for number, place in enumerate(places):
        keys = PAIR_K[number], PAIR_DIST[number]
        cameras[f"camera{number + 1}"] = _camera(lenses, lenses.name, *keys, size=size, fisheye=False, **place)
    notes = (WORLD,) if size else (WORLD, checked.size_guess(list(cameras), cameras))
    return Found(cameras, _unit(pose), notes=notes)


def _list(storage: Storage, rows: list[Any]) -> Found:
    cameras = {}
    for number, row in enumerate(rows, 1):
        label = storage.first("name", of=row)
        if not isinstance(label, str):
            label = f"camera{number}"
        if label in cameras:
            raise UserError(f"{storage.name} has camera {label} twice; give each its own name")
        place = {}
        if storage.first("R", of=row) is not None:
            place = {"R": _wanted(storage, "R", of=row), "t": _wanted(storage, "T", of=row)}
        where, size = f"{storage.name}, camera {label}", _size(storage, of=row)
        fisheye = _is_fisheye(storage, of=row)
        cameras[label] = _camera(storage, where, ONE_K, ONE_DIST, size=size, fisheye=fisheye, of=row, **place)
    return Found(cameras, _unit(storage))


def _camera(
    storage: Storage,
    where: str,
    k_names: tuple[str, ...],
    dist_names: tuple[str, ...],
    *,
    size: tuple[int, int] | None,
    fisheye: bool,
    of: Any = None,
    R: np.ndarray | None = None,
    t: np.ndarray | None = None,
) -> Camera:
    K, dist = _wanted(storage, *k_names, of=of), _wanted(storage, *dist_names, of=of)
    return checked.camera(where, size=size, K=K, dist=dist, R=R, t=t, model="fisheye" if fisheye else "pinhole")


def _wanted(storage: Storage, *names: str, of: Any = None) -> np.ndarray:
    node = storage.first(*names, of=of)
    if node is None:
        raise UserError(f"{storage.name} has no `{names[0]}`; is the file cut short?")
    return storage.numbers(node, names[0])


def _size(storage: Storage, of: Any = None) -> tuple[int, int] | None:
    sides = [storage.first(*names, of=of) for names in (WIDTH, HEIGHT)]
    if None in sides:
        return None
    numbers = [checked.number(storage.numbers(side, "size"), f"{storage.name}, size") for side in sides]
    return checked.size_px(numbers, f"{storage.name}, size")


def _is_fisheye(storage: Storage, of: Any = None) -> bool:
    node = storage.first("fisheye_model", of=of)
    return node is not None and bool(storage.numbers(node, "fisheye_model"))


def _unit(storage: Storage) -> Unit | None:
    said = storage.first("unit")
    return None if said is None else cast(Unit, checked.word(said, f"{storage.name}, unit", METRES))


def write(rig: Rig, suffix: str) -> str:
    """Text for this suffix (.xml, .json, else YAML), metres; a pair of pinholes is also there as M1 D1 M2 D2 R T."""
    kind = suffix if suffix in (".xml", ".json") else ".yml"
    storage = cv2.FileStorage(kind, cv2.FileStorage_WRITE | cv2.FileStorage_MEMORY)
    storage.write("unit", "m")
    storage.startWriteStruct("cameras", cv2.FileNode_SEQ)
    for name, camera in rig.cameras.items():
        _write_camera(storage, name, camera)
    storage.endWriteStruct()
    cameras = list(rig.cameras.values())
    if len(cameras) == 2 and all(camera.model == "pinhole" for camera in cameras):
        pose = rig.b_from_a(*rig.cameras)
        for number, camera in enumerate(cameras, 1):
            storage.write(f"M{number}", camera.K)
            storage.write(f"D{number}", camera.dist.reshape(1, -1))
        storage.write("R", np.ascontiguousarray(pose[:3, :3]))
        storage.write("T", np.ascontiguousarray(pose[:3, 3:]))
    return storage.releaseAndGetString()


def _write_camera(storage: cv2.FileStorage, name: str, camera: Camera) -> None:
    if not re.fullmatch(r"[\w.+-]+( [\w.+-]+)*", name, re.ASCII):
        raise UserError(f"camera name {name!r} has signs that this format cannot hold; use letters, digits, - and _")
    storage.startWriteStruct("", cv2.FileNode_MAP)
    storage.write("name", name)
    storage.write("image_width", camera.width)
    storage.write("image_height", camera.height)
    storage.write("fisheye_model", int(camera.model == "fisheye"))
    storage.write("camera_matrix", camera.K)
    storage.write("distortion_coefficients", camera.dist.reshape(1, -1))
    if camera.cam_from_world is not None:
        storage.write("R", np.ascontiguousarray(camera.R))
        storage.write("T", np.ascontiguousarray(camera.t.reshape(3, 1)))
    storage.endWriteStruct()
