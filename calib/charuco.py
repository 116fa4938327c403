"""ChArUco boards in a picture: plain or of the old layout, white on black, mirrored, small.

`Side` says how a picture was turned before its markers could be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64, Int64, UInt8
from numpy import ndarray

from calib.board import Board
from calib.detection import Detection

CORNERS_MIN = 4  # fewer hold no plane
MARKERS_ENOUGH = 4  # a side on which this many markers are read is the right one
MARKER_MIN_PX = (
    10  # side of the smallest marker; OpenCV asks for 3 % of the picture, which misses far boards in large ones
)
UPSCALED_PX = 2600  # longer side up to which a picture is doubled
STRAY = 0.04  # of the board's extent: a corner farther from the plane's place was misread; leaves room for distortion


@dataclass(frozen=True, slots=True)
class Side:
    """One way to read a picture."""

    inverted: bool
    mirrored: bool
    scale: int  # enlarged this many times

    def seen(self, gray: UInt8[ndarray, "h w"]) -> UInt8[ndarray, "sh sw"]:
        """The picture as a detector gets it."""
        image = 255 - gray if self.inverted else gray
        if self.mirrored:
            image = cv2.flip(image, 1)
        if self.scale > 1:
            image = cv2.resize(image, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_CUBIC)
        return image

    def back(self, px: ndarray, width: int) -> Float64[ndarray, "n 2"]:
        """Pixels of the picture from pixels of `seen`."""
        out = (np.asarray(px, dtype=np.float64).reshape(-1, 2) + 0.5) / self.scale - 0.5
        if self.mirrored:
            out[:, 0] = width - 1 - out[:, 0]
        return out


@dataclass(frozen=True, slots=True)
class Markers:
    """Markers that were read on one side of a picture, in pixels of that side."""

    side: Side
    corners: Float64[ndarray, "n 4 2"]
    ids: Int64[ndarray, "n"]


def sides(scale: int) -> Iterator[Side]:
    """All ways to read a picture at one scale, the likeliest first."""
    for mirrored, inverted in ((False, False), (False, True), (True, False), (True, True)):
        yield Side(inverted, mirrored, scale)


def dictionary_of(name: str) -> cv2.aruco.Dictionary:
    """OpenCV's dictionary by its name without DICT_."""
    return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, f"DICT_{name}"))


def parameters(image: ndarray) -> cv2.aruco.DetectorParameters:
    """How markers are looked for in a picture of this size; smaller ones cost seconds in a noisy picture."""
    chosen = cv2.aruco.DetectorParameters()
    chosen.minMarkerPerimeterRate = 4 * MARKER_MIN_PX / max(image.shape)
    return chosen


def read_markers(gray: UInt8[ndarray, "h w"], dictionary: str, scale: int) -> Markers | None:
    """The markers of the side on which most are read; None where no side has two."""
    best: Markers | None = None
    for side in sides(scale):
        image = side.seen(gray)
        detector = cv2.aruco.ArucoDetector(dictionary_of(dictionary), parameters(image))
        corners, ids, _ = detector.detectMarkers(image)
        if ids is None or len(ids) < 2 or (best is not None and len(ids) <= len(best.ids)):
            continue
        best = Markers(side, np.array(corners, dtype=np.float64).reshape(-1, 4, 2), ids.ravel().astype(np.int64))
        if len(best.ids) >= MARKERS_ENOUGH:
            break
    return best


def find(gray: UInt8[ndarray, "h w"], board: Board, *, thorough: bool = True) -> Detection | None:
    """A ChArUco board of known layout and dictionary; `thorough` also looks at the picture doubled."""
    best: Detection | None = None
    full = board.columns * board.rows
    for scale in scales(gray, thorough):
        markers = read_markers(gray, board.dictionary, scale)
        seen = None if markers is None else _corners(gray, board, markers.side)
        if seen is not None and (best is None or len(seen.ids) > len(best.ids)):
            best = seen
        if best is not None and len(best.ids) > full / 2:
            break
    return best


def scales(gray: UInt8[ndarray, "h w"], thorough: bool) -> tuple[int, ...]:
    """At which enlargements a picture is looked at."""
    return (1, 2) if thorough and max(gray.shape) <= UPSCALED_PX / 2 else (1,)


def _corners(gray: ndarray, board: Board, side: Side) -> Detection | None:
    """The board's corners on one side of the picture, in the new layout or the old one."""
    image = side.seen(gray)
    layouts = (False, True) if (board.rows + 1) % 2 == 0 else (False,)  # they differ for even rows of squares alone
    for legacy in layouts:
        layout = _layout(board, legacy)
        options = cv2.aruco.CharucoParameters()
        options.tryRefineMarkers = True
        detector = cv2.aruco.CharucoDetector(layout, options, parameters(image))
        px, ids, _, _ = detector.detectBoard(image)
        if ids is None or len(ids) < CORNERS_MIN:
            continue
        order = np.argsort(ids.ravel())
        px, ids = side.back(px, gray.shape[1])[order], ids.ravel()[order].astype(np.int64)
        keep = _on_one_plane(board, px, ids)
        if keep.sum() >= CORNERS_MIN:
            h, w = gray.shape
            return Detection(
                px[keep], ids[keep], side.mirrored, side.inverted, legacy, (w, h), dictionary=board.dictionary
            )
    return None


def _layout(board: Board, legacy: bool) -> cv2.aruco.CharucoBoard:
    side = (board.marker_m or 0) / board.square_m[0]
    layout = cv2.aruco.CharucoBoard((board.columns + 1, board.rows + 1), 1.0, side, dictionary_of(board.dictionary))
    layout.setLegacyPattern(legacy)
    return layout


def _on_one_plane(board: Board, px: ndarray, ids: ndarray) -> ndarray:
    """Which corners lie where a plane puts them; none where all stand in one line."""
    points = board.points_m()[ids, :2]
    if np.linalg.matrix_rank(points - points.mean(axis=0), tol=1e-9) < 2:
        return np.zeros(len(ids), dtype=bool)
    extent_px = float(np.linalg.norm(np.ptp(px, axis=0)))
    _, inside = cv2.findHomography(points, px, cv2.RANSAC, max(2.0, STRAY * extent_px))
    return np.zeros(len(ids), dtype=bool) if inside is None else inside.ravel() > 0
