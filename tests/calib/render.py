"""Pictures of calibration boards with exact truth: the oracle of every test that looks at a board.

Each pixel averages samples of the board where its rays meet the sheet; lens, bend and place enter exactly.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray
from scipy.interpolate import RectBivariateSpline

from calib.board import Board
from calib.camera import Camera, rigid

SAMPLES = 24  # per pixel, no two in one row or column: an upright edge lies within 1/48 px
MARGIN = 1.0  # white paper around the squares, in squares
GRID_PX = 8.0  # rays are undistorted on this grid and interpolated: 1e-6 px off at k1 = -0.4


def pose(
    board: Board,
    *,
    distance_m: float,
    tilt_deg: float = 0.0,
    tilt_axis_deg: float = 0.0,
    roll_deg: float = 0.0,
    off_axis_m: tuple[float, float] = (0.0, 0.0),
) -> Float64[ndarray, "4 4"]:
    """cam_from_board: rolled in its plane, tilted about an axis in it (0 = x), its middle at (off_axis, distance)."""
    axis = np.deg2rad(tilt_axis_deg)
    tilt = np.deg2rad(tilt_deg) * np.array([np.cos(axis), np.sin(axis), 0])
    R = cv2.Rodrigues(tilt)[0] @ cv2.Rodrigues(np.array([0, 0, np.deg2rad(roll_deg)]))[0]
    return rigid(R, np.array([*off_axis_m, distance_m]) - R @ board.points_m().mean(axis=0))


def render_board(
    board: Board,
    camera: Camera,
    cam_from_board: Float64[ndarray, "4 4"],
    *,
    inverted: bool = False,
    mirrored: bool = False,
    legacy: bool = False,
    blur_px: float = 0.0,
    noise: float = 0.0,
    motion_px: float = 0.0,
    bend_m: float = 0.0,
    background: int | UInt8[ndarray, "h w"] = 110,
    contrast: tuple[int, int] = (25, 230),
    rng: np.random.Generator | None = None,
) -> tuple[UInt8[ndarray, "h w"], Float64[ndarray, "corners 2"]]:
    """A grey picture and its corners in pixels, by id; NaN for a corner outside the picture.

    `mirrored` flips the finished picture, as a webcam's preview; a board seen from behind shows through, as the
    second side of a two-sided board. `bend_m` is how far the middle bows towards +z. `blur_px` and `noise` are
    standard deviations, `motion_px` is the length of a streak in a random direction. `contrast`: black, white.
    """
    rng = rng or np.random.default_rng(0)
    paint = _chessboard(board) if board.kind == "chessboard" else _charuco(board, legacy)
    image = np.broadcast_to(np.asarray(background, dtype=np.float32), (camera.height, camera.width)).copy()
    _draw(image, board, camera, cam_from_board, bend_m, lambda u, v: _levels(paint(u, v), inverted, contrast))
    if motion_px > 0:
        image = cv2.filter2D(image, -1, _streak(motion_px, rng.uniform(0, np.pi)), borderType=cv2.BORDER_REPLICATE)
    if blur_px > 0:
        image = cv2.GaussianBlur(image, (0, 0), blur_px)
    corners_px = _truth(board, camera, cam_from_board, bend_m)
    if mirrored:
        image = np.ascontiguousarray(image[:, ::-1])
        corners_px[:, 0] = camera.width - 1 - corners_px[:, 0]
    if noise > 0:
        image += rng.normal(0, noise, image.shape).astype(np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), corners_px


def _levels(white: ndarray, inverted: bool, contrast: tuple[int, int]) -> ndarray:
    black, bright = contrast[::-1] if inverted else contrast
    return np.where(white, np.float32(bright), np.float32(black))


def _chessboard(board: Board) -> Callable[[ndarray, ndarray], ndarray]:
    """White or not at (u, v) in squares from the outer corner of the first square, which is black."""

    def white(u: ndarray, v: ndarray) -> ndarray:
        inside = (u >= 0) & (v >= 0) & (u < board.columns + 1) & (v < board.rows + 1)
        return ~inside | ((np.floor(u) + np.floor(v)) % 2 == 1)

    return white


def _charuco(board: Board, legacy: bool) -> Callable[[ndarray, ndarray], ndarray]:
    """As `_chessboard`, with the markers of OpenCV's own board; they are square in units of squares."""
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, f"DICT_{board.dictionary}"))
    side = float((board.marker_m or 0) / board.square_m[0])
    layout = cv2.aruco.CharucoBoard((board.columns + 1, board.rows + 1), 1.0, side, dictionary)
    layout.setLegacyPattern(legacy)
    cells = dictionary.markerSize + 2
    bits = np.ones((board.rows + 1, board.columns + 1, cells, cells), dtype=bool)
    has_marker = np.zeros(bits.shape[:2], dtype=bool)
    for marker, corners in zip(layout.getIds().ravel(), layout.getObjPoints(), strict=True):
        column, row = np.floor(corners[0][:2]).astype(int)
        has_marker[row, column] = True
        bits[row, column] = cv2.aruco.generateImageMarker(dictionary, int(marker), cells, borderBits=1) > 0

    def white(u: ndarray, v: ndarray) -> ndarray:
        inside = (u >= 0) & (v >= 0) & (u < board.columns + 1) & (v < board.rows + 1)
        column = np.clip(np.floor(u), 0, board.columns).astype(int)
        row = np.clip(np.floor(v), 0, board.rows).astype(int)
        x, y = ((u - column - 0.5) / side + 0.5) * cells, ((v - row - 0.5) / side + 0.5) * cells
        in_marker = (x >= 0) & (y >= 0) & (x < cells) & (y < cells)
        x, y = np.clip(x, 0, cells - 1).astype(int), np.clip(y, 0, cells - 1).astype(int)
        return ~inside | (has_marker[row, column] & (~in_marker | bits[row, column, y, x]))

    return white


def _bow(board: Board, x_m: ndarray, bend_m: float) -> ndarray:
    """Height of the sheet over its plane: a parabola along x, `bend_m` in the middle, 0 at the outer corners."""
    half_m = (board.columns + 1) / 2 * board.square_m[0]
    middle_m = (board.columns - 1) / 2 * board.square_m[0]
    return bend_m * (1 - ((x_m - middle_m) / half_m) ** 2)


def _draw(
    image: ndarray,
    board: Board,
    camera: Camera,
    cam_from_board: ndarray,
    bend_m: float,
    level: Callable[[ndarray, ndarray], ndarray],
) -> None:
    """Draw the sheet over a float picture, in place."""
    left, top, right, bottom = _reach(board, camera, cam_from_board, bend_m)
    if right <= left or bottom <= top:
        return
    splines = _rays(camera, left, top, right, bottom)
    R, t = cam_from_board[:3, :3], cam_from_board[:3, 3]
    center_m = -R.T @ t  # of the camera, in board axes
    background = image[top:bottom, left:right]
    total = np.zeros_like(background)
    for dx, dy in _offsets():
        ys, xs = np.arange(top, bottom) + dy, np.arange(left, right) + dx
        rays = np.stack([splines[0](ys, xs), splines[1](ys, xs), np.ones((len(ys), len(xs)))], axis=-1) @ R
        z_m = np.zeros(rays.shape[:2])
        for _ in range(1 if bend_m == 0 else 6):
            reach = (z_m - center_m[2]) / rays[..., 2]
            x_m, y_m = center_m[0] + reach * rays[..., 0], center_m[1] + reach * rays[..., 1]
            z_m = _bow(board, x_m, bend_m)
        u, v = x_m / board.square_m[0] + 1, y_m / board.square_m[1] + 1
        sheet = (u > -MARGIN) & (v > -MARGIN) & (u < board.columns + 1 + MARGIN) & (v < board.rows + 1 + MARGIN)
        total += np.where(sheet & (reach > 0), level(u, v), background)
    image[top:bottom, left:right] = total / SAMPLES


def _offsets() -> Float64[ndarray, "samples 2"]:
    """Places in a pixel of which no two share a row or a column, evenly spread, their mean in the middle."""
    i = np.arange(SAMPLES)
    return np.column_stack([(i + 0.5) / SAMPLES - 0.5, ((i * 7) % SAMPLES + 0.5) / SAMPLES - 0.5])


def _rays(camera: Camera, left: int, top: int, right: int, bottom: int) -> list[RectBivariateSpline]:
    """x / z and y / z of pixels in a part of the picture, as functions of (y, x)."""
    columns = max(int((right - left) / GRID_PX), 3) + 1
    rows = max(int((bottom - top) / GRID_PX), 3) + 1
    ys, xs = np.linspace(top - 0.5, bottom - 0.5, rows), np.linspace(left - 0.5, right - 0.5, columns)
    px = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    rays = camera.rays(px).reshape(rows, columns, 2)
    return [RectBivariateSpline(ys, xs, rays[..., axis]) for axis in range(2)]


def _widest(camera: Camera) -> float:
    """The largest |x, y| / z in the picture."""
    w, h = camera.width, camera.height
    border = np.array([(x, y) for x in (0, w / 2, w - 1) for y in (0, h / 2, h - 1)], dtype=np.float64)
    return float(np.linalg.norm(camera.rays(border), axis=1).max())


def _reach(board: Board, camera: Camera, cam_from_board: ndarray, bend_m: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the pixels that the sheet may touch."""
    along = np.linspace(0, 1, 33)
    low, wide = -(1 + MARGIN), np.array([board.columns + 1, board.rows + 1]) + 2 * MARGIN
    sides = [(along, 0 * along), (along, 0 * along + 1), (0 * along, along), (0 * along + 1, along)]
    xy = (np.concatenate([np.column_stack(side) for side in sides]) * wide + low) * board.square_m
    points = np.column_stack([xy, _bow(board, xy[:, 0], bend_m)])
    cam = points @ cam_from_board[:3, :3].T + cam_from_board[:3, 3]
    if cam[:, 2].min() <= 0:
        raise ValueError("the board reaches behind the camera")
    rays = cam[:, :2] / cam[:, 2:]
    # far outside of the picture a lens model folds back: the outline is pulled in to where it holds
    rays *= np.minimum(1, 1.05 * _widest(camera) / np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-9))
    px = camera.project(np.column_stack([rays, np.ones(len(rays))]))
    left, top = np.floor(px.min(axis=0)).astype(int) - 2
    right, bottom = np.ceil(px.max(axis=0)).astype(int) + 3
    return max(left, 0), max(top, 0), min(right, camera.width), min(bottom, camera.height)


def _truth(board: Board, camera: Camera, cam_from_board: ndarray, bend_m: float) -> Float64[ndarray, "corners 2"]:
    points = board.points_m()
    points[:, 2] = _bow(board, points[:, 0], bend_m)
    cam = points @ cam_from_board[:3, :3].T + cam_from_board[:3, 3]
    px = camera.project(cam)
    folded = np.linalg.norm(cam[:, :2] / cam[:, 2:], axis=1) > 1.05 * _widest(camera)
    low, high = (-0.5, -0.5), (camera.width - 0.5, camera.height - 0.5)
    outside = ((px < low) | (px > high)).any(axis=1)
    px[folded | outside] = np.nan
    return px


def _streak(length_px: float, angle: float) -> ndarray:
    """A kernel that smears over a straight line; its middle stays where it is."""
    half = int(np.ceil(length_px / 2)) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    for s in np.linspace(-length_px / 2, length_px / 2, 8 * (2 * half + 1)):
        x, y = half + s * np.cos(angle), half + s * np.sin(angle)
        column, row = int(x), int(y)
        for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = (1 - abs(x - column - dx)) * (1 - abs(y - row - dy))
            if weight > 0:
                kernel[row + dy, column + dx] += weight
    return kernel / kernel.sum()
