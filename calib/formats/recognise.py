"""Which format a file or folder has, by what is in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from calib.errors import UserError
from calib.formats import (
    anipose,
    caliscope,
    colmap,
    easymocap,
    json_cameras,
    kalibr,
    opencv,
    qualisys,
    rig_toml,
    ros,
    temugeb,
)
from calib.formats.found import Found
from calib.formats.plain_yaml import parse_yaml
from calib.formats.source import read_text
from calib.formats.toml_text import parse_toml
from calib.rig import Rig

Size = tuple[int, int] | None
KNOWN = (
    "known are rig.toml, anipose, Pose2Sim, FreeMoCap and caliscope TOML, OpenCV YAML or XML, Kalibr, COLMAP text, "
    "EasyMocap, ROS camera_info, Human3.6M JSON, Qualisys"
)
# one file of a set stands for its folder
PARTS: dict[str, Callable[[Path], bool]] = {
    "cameras.txt": colmap.is_colmap,
    "images.txt": colmap.is_colmap,
    "intri.yml": easymocap.is_easymocap,
    "extri.yml": easymocap.is_easymocap,
    "intrinsics.yml": opencv.is_pair_folder,
    "extrinsics.yml": opencv.is_pair_folder,
}


def recognised(path: Path, *, part: str | None, size: Size) -> tuple[str, Found | Rig]:
    """The format's name and what the file holds. UserError where it is none that is known."""
    if path.is_dir():
        return _folder(path, part, size)
    if PARTS.get(path.name, lambda _: False)(path.parent) or temugeb.LENS.fullmatch(path.name):
        return _folder(path.parent, part, size)
    text = read_text(path)
    start = re.sub(r"^(\s|#[^\n]*\n?)*", "", text)
    if text.lstrip().startswith("%YAML:") or "!!opencv-matrix" in text or "<opencv_storage" in text[:2000]:
        return "opencv", opencv.read(text, path.name, size=size)
    if start.startswith("<"):
        if qualisys.is_qualisys(text):
            return "qualisys", qualisys.read(text, path.name)
    elif start.startswith("{"):
        return _json(text, path, part, size)
    elif path.suffix == ".toml" or re.match(r"\[|[\w\"'.-]+\s*=", start):
        return _toml(text, path)
    elif path.suffix in (".yaml", ".yml") or re.match(r"---|[\w\"']+:(\s|$)", start):
        return _yaml(text, path)
    raise UserError(f"{path.name} is no calibration that is known; {KNOWN}")


def _toml(text: str, path: Path) -> tuple[str, Found | Rig]:
    document = parse_toml(text, path.name)
    if rig_toml.is_rig(document):
        return "rig", rig_toml.read(document, path.name)
    if caliscope.is_caliscope(document):
        return "caliscope", caliscope.read(document, path.name)
    if anipose.is_anipose(document):
        return "anipose", anipose.read(document, path.name)
    raise UserError(f"{path.name} has no `schema` of a rig and no camera with a `matrix`; {KNOWN}")


def _yaml(text: str, path: Path) -> tuple[str, Found]:
    document = parse_yaml(text, path.name)
    if ros.is_ros(document):
        return "ros", ros.read(document, path.name)
    if kalibr.is_kalibr(document):
        return "kalibr", kalibr.read(document, path.name)
    raise UserError(f"{path.name} is neither a camera chain of Kalibr nor a camera_info of ROS; {KNOWN}")


def _json(text: str, path: Path, part: str | None, size: Size) -> tuple[str, Found]:
    document = json_cameras.parse_json(text, path.name)
    if isinstance(document, dict) and "opencv-matrix" in text:
        return "opencv", opencv.read(text, path.name, size=size)
    found = json_cameras.read(document, path.name, part=part, size=size)
    if found is None:
        raise UserError(f"{path.name} holds no cameras as Human3.6M, Panoptic, Campus or Shelf write them; {KNOWN}")
    return "json", found


def _folder(folder: Path, part: str | None, size: Size) -> tuple[str, Found | Rig]:
    if (folder / "rig.toml").is_file():
        return recognised(folder / "rig.toml", part=part, size=size)
    if colmap.is_colmap(folder):
        return "colmap", colmap.read(folder)
    if easymocap.is_easymocap(folder):
        return "easymocap", easymocap.read(folder, size=size)
    if opencv.is_pair_folder(folder):
        return "opencv", opencv.read_pair_folder(folder, size=size)
    if temugeb.is_temugeb(folder):
        return "temugeb", temugeb.read(folder, size=size)
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror or error}") from error
    if len(files) == 2:
        documents = {path.name: parse_yaml(read_text(path), path.name) for path in files}
        if all(map(ros.is_ros, documents.values())):
            return "ros", ros.read_pair(documents)
    raise UserError(
        f"{folder} holds no calibration that is known; give the file itself, or a folder of COLMAP or EasyMocap"
    )
