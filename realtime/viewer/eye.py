"""The eye of the window: where it looks from, how it gets there, and where the screen's corners are in space.

Open3D's own control turns, shifts and zooms by the mouse. After each of its moves the point looked at is set anew, so
that the people stay in the middle of what the side panel leaves free, and turning goes about them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

ViewName = Literal["free", "front", "side", "top"]

FOV_STEPS = -6  # of 5 degrees from Open3D's 60: heads stay round at the edge
SWITCH_S = 0.35
# half of the room's height that is seen at the people's distance, where the whole way to the camera is not shown
HALF_HEIGHT_M = 1.22
# about the middles of the people who are in view together, for their arms
ARMS_M = 0.8
# the zoom follows the people's number and distance where it would change by more than this
ZOOM_SLACK = 1.15
MARGIN_M = 0.9  # about camera and person in the views from the side and from above
NEAR_M, FAR_M = 0.05, 60.0
SAME = 1e-6


@dataclass(frozen=True, slots=True)
class _Preset:
    front: tuple[float, float, float]  # from what is looked at to the eye, camera axes
    up: tuple[float, float, float]
    whole_way: bool  # camera and people in view, not the people alone


PRESETS: dict[ViewName, _Preset] = {
    "free": _Preset((0.62, -0.30, -0.75), (0.0, -1.0, 0.0), False),
    "front": _Preset((0.0, -0.04, -1.0), (0.0, -1.0, 0.0), False),
    "side": _Preset((1.0, -0.08, 0.0), (0.0, -1.0, 0.0), True),
    "top": _Preset((0.0, -1.0, -0.02), (0.0, 0.0, 1.0), True),
}


@dataclass(frozen=True, slots=True)
class _Pose:
    front: Float64[ndarray, "3"]
    up: Float64[ndarray, "3"]
    half_height_m: float


class Eye:
    """Moves the view of an Open3D window. Call `tick` before each drawing."""

    def __init__(self, vis: Any, *, unit_m: float) -> None:
        self._vis = vis
        self._unit_m = unit_m  # the zoom's unit: the extent of what the window was made with
        self._control = vis.get_view_control()
        self._control.change_field_of_view(step=FOV_STEPS)
        self._control.set_constant_z_near(NEAR_M)
        self._control.set_constant_z_far(FAR_M)
        self.name: ViewName = "free"
        self._pan_m = np.zeros(3)
        self._lookat_m: Float64[ndarray, "3"] | None = None  # as set last
        self._begin_s = -np.inf
        self._start: _Pose | None = None  # of a switch under way
        self._last_drawn: Float64[ndarray, "20"] | None = None
        self._last_front, self._last_zoom = np.zeros(3), 0.0
        self._by_hand = False  # the person turned or zoomed since the last switch

    def switch(self, name: ViewName, now_s: float) -> None:
        """Begins the way to a view."""
        self._start = self._pose()
        self.name, self._begin_s, self._by_hand = name, now_s, False

    def tick(self, target_m: Float64[ndarray, "3"], reach_m: float, free_share: float, now_s: float) -> bool:
        """Aims at the people; whether the view differs from that of the last call.

        They reach `reach_m` sideways; `free_share` of the width, on the right, is not the side panel's.
        """
        self._heed_mouse()
        preset = PRESETS[self.name]
        half_m = self._half_height(preset, target_m, reach_m, free_share)
        if self._start is not None:
            self._advance(preset, half_m, now_s)
        elif not self._by_hand and not 1 / ZOOM_SLACK < half_m / self._pose().half_height_m < ZOOM_SLACK:
            self.switch(self.name, now_s)
        pose = self._pose()
        aim_m = target_m * 0.5 if preset.whole_way else target_m
        width, height = self.size_px
        right = np.cross(pose.up, pose.front)
        right /= max(float(np.linalg.norm(right)), 1e-9)
        beside_m = (1.0 - free_share) * pose.half_height_m * width / max(height, 1)
        lookat_m = aim_m + self._pan_m - right * beside_m
        if self._lookat_m is None or np.abs(lookat_m - self._lookat_m).max() > SAME:
            self._control.set_lookat(lookat_m)
            self._lookat_m = self._status()["lookat"]
        return self._moved()

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the window as it is now."""
        intrinsic = self._control.convert_to_pinhole_camera_parameters().intrinsic
        return intrinsic.width, intrinsic.height

    def on_screen(
        self, left: float, top: float, right: float, bottom: float, depth_m: float
    ) -> Float64[ndarray, "4 3"]:
        """The corners in space of a rectangle of the window's pixels, edges counted from the upper left."""
        parameters = self._control.convert_to_pinhole_camera_parameters()
        width, height = parameters.intrinsic.width, parameters.intrinsic.height
        f_px = parameters.intrinsic.intrinsic_matrix[1, 1]
        eye_from_world = np.asarray(parameters.extrinsic)
        corners_px = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        seen = np.column_stack([(corners_px - (width / 2, height / 2)) * depth_m / f_px, np.full(4, depth_m)])
        return (seen - eye_from_world[:3, 3]) @ eye_from_world[:3, :3]

    def place_m(self) -> Float64[ndarray, "3"]:
        """Where the eye is."""
        extrinsic = np.asarray(self._control.convert_to_pinhole_camera_parameters().extrinsic)
        return -extrinsic[:3, :3].T @ extrinsic[:3, 3]

    def _heed_mouse(self) -> None:
        """What the person moved by hand stays as they put it."""
        if self._lookat_m is None:
            preset = PRESETS[self.name]
            self._turn(_Pose(np.array(preset.front), np.array(preset.up), HALF_HEIGHT_M))
            return
        status = self._status()
        self._pan_m = self._pan_m + (status["lookat"] - self._lookat_m)
        self._lookat_m = status["lookat"]
        if self._start is not None:
            return
        if np.abs(status["front"] - self._last_front).max() > 1e-3:
            self.name, self._last_front, self._by_hand = "free", status["front"], True
        self._by_hand |= bool(abs(status["zoom"] - self._last_zoom) > 1e-3)

    def _advance(self, preset: _Preset, half_m: float, now_s: float) -> None:
        assert self._start is not None
        share = min((now_s - self._begin_s) / SWITCH_S, 1.0)
        smooth = share * share * (3 - 2 * share)
        front = _between(self._start.front, np.array(preset.front), smooth)
        up = _between(self._start.up, np.array(preset.up), smooth)
        self._turn(_Pose(front, up, self._start.half_height_m * (1 - smooth) + half_m * smooth))
        self._pan_m = self._pan_m * (1 - smooth)
        if share >= 1.0:
            self._start = None

    def _half_height(
        self, preset: _Preset, target_m: Float64[ndarray, "3"], reach_m: float, free_share: float
    ) -> float:
        """Of the room that is to be seen, where the people are."""
        width, height = self.size_px
        aspect = free_share * width / max(height, 1)
        if not preset.whole_way:
            return max(HALF_HEIGHT_M, (reach_m + ARMS_M) / aspect)
        half_way_m = float(np.linalg.norm(target_m)) / 2 + reach_m / 2 + MARGIN_M
        return max(HALF_HEIGHT_M, half_way_m / aspect if self.name == "side" else half_way_m)

    def _turn(self, pose: _Pose) -> None:
        front = pose.front / np.linalg.norm(pose.front)
        up = pose.up - (pose.up @ front) * front  # Open3D trusts them to stand at right angles
        self._control.set_front(front)
        self._control.set_up(up / np.linalg.norm(up))
        self._control.set_zoom(pose.half_height_m / self._unit_m)
        status = self._status()
        self._last_front, self._last_zoom = status["front"], float(status["zoom"])

    def _pose(self) -> _Pose:
        status = self._status()
        return _Pose(status["front"], status["up"], float(status["zoom"]) * self._unit_m)

    def _status(self) -> dict[str, Any]:
        raw = json.loads(self._vis.get_view_status())["trajectory"][0]
        return {name: np.array(raw[name], np.float64) for name in ("lookat", "front", "up", "zoom")}

    def _moved(self) -> bool:
        parameters = self._control.convert_to_pinhole_camera_parameters()
        seen = np.concatenate(
            [np.ravel(parameters.extrinsic), np.ravel(parameters.intrinsic.intrinsic_matrix)[[0, 2, 4, 5]]]
        )
        moved = self._last_drawn is None or bool(np.abs(seen - self._last_drawn).max() > SAME)
        if moved:
            self._last_drawn = seen
        return moved


def _between(a: Float64[ndarray, "3"], b: Float64[ndarray, "3"], share: float) -> Float64[ndarray, "3"]:
    """A direction on the shorter arc from one to the other."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    angle = np.arccos(np.clip(a @ b, -1.0, 1.0))
    if np.pi - angle < 1e-3:  # opposite: any way round is as good
        a = a + np.array([0.01, 0.02, 0.03])
        return _between(a, b, share)
    if angle < SAME:
        return b
    return (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
