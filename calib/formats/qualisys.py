"""Qualisys `.qca.txt` (XML): millimetres, focal lengths and centre in 1/64 px, distortion as it is. Read only.

`transform` holds camera-to-world column by column, so its rows r11 r12 r13 are the rows of world-to-camera, of a camera
with x right, y up, z backward. Half a turn about x brings that to x right, y down, z forward.
"""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from calib.camera import Camera
from calib.errors import UserError
from calib.formats import checked
from calib.formats.found import Found
from calib.formats.xml_text import parse_xml

SUBPIXELS = 64
HALF_TURN = np.diag([1.0, -1.0, -1.0])
DISTORTIONS = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")


def is_qualisys(text: str) -> bool:
    """Whether this XML is a calibration of QTM."""
    return "<calibration" in text[:2000]


def read(text: str, name: str) -> Found:
    """Cameras by serial number."""
    root = parse_xml(text, name)
    cameras, notes = {}, []
    for number, element in enumerate(root.iter("camera")):
        serial = element.get("serial") or str(number)
        if serial in cameras:
            raise UserError(f"{name} has camera {serial} twice; export it anew")
        cameras[serial] = _camera(element, f"{name}, camera {serial}")
        if element.get("viewrotation", "0") != "0":
            notes.append(f"camera {serial} is shown turned in QTM; its numbers belong to the pictures as recorded")
    return Found(cameras, "mm", notes=tuple(notes))


def _camera(element: ElementTree.Element, where: str) -> Camera:
    transform, lens = _child(element, "transform", where), _child(element, "intrinsic", where)
    view = element.find("fov_video")
    if view is None:
        view = _child(element, "fov_marker", where)
    left, top, right, bottom = (_number(view, side, where) for side in ("left", "top", "right", "bottom"))
    if _number(lens, "skew", where, missing=0.0) != 0:
        raise UserError(f"{where} has a skew, which is not supported; calibrate without skew")
    fx, fy = (_number(lens, f"focalLength{axis}", where) / SUBPIXELS for axis in "UV")
    cx, cy = (_number(lens, f"centerPoint{axis}", where) / SUBPIXELS for axis in "UV")
    k3 = _number(lens, "radialDistortion3", where, missing=0.0)
    turn = [[_number(transform, f"r{row}{column}", where) for column in (1, 2, 3)] for row in (1, 2, 3)]
    R = HALF_TURN @ checked.rotation(turn, f"{where}, rotation")
    center = np.array([_number(transform, axis, where) for axis in "xyz"])
    return checked.camera(
        where,
        size=checked.size_px([right - left + 1, bottom - top + 1], f"{where}, size"),
        K=[[fx, 0.0, cx - left], [0.0, fy, cy - top], [0.0, 0.0, 1.0]],
        dist=[*(_number(lens, key, where, missing=0.0) for key in DISTORTIONS), k3],
        R=R,
        t=-R @ center,
    )


def _child(element: ElementTree.Element, tag: str, where: str) -> ElementTree.Element:
    child = element.find(tag)
    if child is None:
        raise UserError(f"{where} has no <{tag}>; is it a calibration of QTM?")
    return child


def _number(element: ElementTree.Element, key: str, where: str, *, missing: float | None = None) -> float:
    raw = element.get(key)
    if raw is None and missing is not None:
        return missing
    try:
        return checked.number(float(raw or ""), f"{where}, {key}")
    except ValueError:
        raise UserError(f"{where}: {key} is no number: {raw!r}") from None
