"""The Open3D window and its loop. Runs in its own process; Open3D is imported nowhere else.

Axes are the camera's: x right, y down, z forward. Geometry is made once and changed in place, since taking
it out and putting it back in each frame crashes Open3D (isl-org/Open3D#4634).
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from typing import Any

import numpy as np
from jaxtyping import Float64, Int32, UInt8
from numpy import ndarray

from engine.errors import library_advice
from engine.skeleton import BONES, HEAD_TOP, JOINTS, L_ANKLE, R_ANKLE, ROOT
from realtime.colours import BACKGROUND_RGB, CAMERA_RGB, GRID_RGB, side_rgb
from realtime.viewer_slot import PEOPLE_MAX, View, ViewSlot

BONE_RADIUS_M, JOINT_RADIUS_M, HEAD_RADIUS_M = 0.022, 0.034, 0.06
BONE_SIDES, SPHERE_RINGS = 10, 6
# the ankle's centre lies this far above the sole
ANKLE_HEIGHT_M = 0.08
FLOOR_GAIN = 0.02  # of the running floor height, per frame: a jump must not lift the floor
START_M = (0.0, 0.0, 3.5)  # where the scene is centred until somebody is seen
FLOOR_Y_M = 1.0  # under the camera, until somebody is seen
GRID_HALF_M, GRID_STEP_M = 3.0, 0.5
# the picture stands upright beside the person: its height, and how far left and behind
BOARD_HEIGHT_M, BOARD_LEFT_M, BOARD_BEHIND_M = 1.9, 1.0, 0.3
# the eye looks at a point this far left of the people, so that they and the picture share the window
LOOK_LEFT_M = 0.9
FOLLOW_BEYOND_M, FOLLOW_GAIN = 0.8, 0.05
IDLE_S = 0.005
_BONE_ENDS = np.array(BONES)


def run_window(memory: Any, title: str, size_px: tuple[int, int]) -> None:
    """The process: shows what comes until the window is closed, the program says stop, or the program is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program, which then closes this window
    slot = ViewSlot(memory)
    try:
        window = Window(title, size_px)
        parent = multiprocessing.parent_process()
        while not slot.stop and (parent is None or parent.is_alive()):
            view = slot.read()
            if view is not None:
                window.draw(view)
            if not window.refresh():
                break
            if view is not None:
                slot.count_drawn()
            time.sleep(IDLE_S)  # half of a core would go into asking; the mouse does not notice
        window.close()
    except ImportError as error:
        slot.failure = f"the window cannot be shown: {library_advice(error) or error}"
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - handed over: the program reads it as `Viewer.failure`
        slot.failure = f"the window cannot be shown: {type(error).__name__}: {error}"
        sys.exit(1)


class Window:
    """An Open3D `Visualizer` with a floor, skeletons, the camera and its picture."""

    def __init__(self, title: str, size_px: tuple[int, int]) -> None:
        import open3d

        self._o3d: Any = open3d
        open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
        self._vis = open3d.visualization.Visualizer()
        if not self._vis.create_window(title, *size_px):
            raise RuntimeError("Open3D opened no window; run with --view none")
        self._target_m = np.array(START_M)
        self._floor_y_m = FLOOR_Y_M
        self._seen_anybody = False
        self._skeleton = SkeletonMesh()
        self._mesh = open3d.geometry.TriangleMesh()
        self._mesh.triangles = open3d.utility.Vector3iVector(self._skeleton.triangles)
        self._mesh.vertex_colors = open3d.utility.Vector3dVector(self._skeleton.colors)
        # without them Open3D draws the mesh unlit; smooth shading reads only those of the vertices
        self._mesh.triangle_normals = open3d.utility.Vector3dVector(np.zeros((len(self._skeleton.triangles), 3)))
        self._grid = _lines(open3d, *_grid_lines(), GRID_RGB)
        self._board = _picture_board(open3d)
        self._place_people(np.zeros((0, JOINTS, 3)))
        self._place_floor()
        for geometry in (self._grid, self._mesh, self._board, _lines(open3d, *_camera_lines(), CAMERA_RGB)):
            self._vis.add_geometry(geometry, reset_bounding_box=geometry is self._grid)  # which sets the zoom's unit
        self._look()

    def draw(self, view: View) -> None:
        """Moves everything to a new state; `refresh` shows it."""
        joints_m = view.joints_m.astype(np.float64)
        if len(joints_m):
            self._meet(joints_m)
        self._place_people(joints_m)
        self._place_floor()
        if view.picture_bgr is not None:
            self._place_board(view.picture_bgr)
        for geometry in (self._mesh, self._grid, self._board):
            self._vis.update_geometry(geometry)
        self._vis.update_renderer()

    def refresh(self) -> bool:
        """Lets the window live: mouse, keys, drawing where something changed. False once it is closed."""
        return self._vis.poll_events()

    def picture(self) -> UInt8[ndarray, "h w 3"]:
        """What the window shows, RGB."""
        return (np.asarray(self._vis.capture_screen_float_buffer(True)) * 255).astype(np.uint8)

    def close(self) -> None:
        """Closes the window."""
        self._vis.destroy_window()

    def _look(self) -> None:
        option = self._vis.get_render_option()
        option.background_color = np.array(BACKGROUND_RGB)
        option.mesh_show_back_face = True
        option.mesh_shade_option = self._o3d.visualization.MeshShadeOption.Color  # its name for smooth
        control = self._vis.get_view_control()
        control.set_front([0.15, -0.25, -1.0])
        control.set_up([0.0, -1.0, 0.0])
        control.set_zoom(0.3)
        self._aim()

    def _aim(self) -> None:
        """Turns the eye to the people, and leaves direction and zoom to the person at the mouse."""
        self._vis.get_view_control().set_lookat(self._target_m - (LOOK_LEFT_M, 0.0, 0.0))

    def _meet(self, joints_m: Float64[ndarray, "people 16 3"]) -> None:
        """Follows the people's place and the floor under them; at once for the first person, then slowly."""
        root_m = joints_m[:, ROOT].mean(axis=0)
        floor_y_m = float(joints_m[:, [L_ANKLE, R_ANKLE], 1].max()) + ANKLE_HEIGHT_M
        away_m = root_m - self._target_m
        if not self._seen_anybody:
            self._target_m, self._floor_y_m, self._seen_anybody = root_m, floor_y_m, True
            self._aim()
        elif np.linalg.norm(away_m) > FOLLOW_BEYOND_M:
            self._target_m = self._target_m + FOLLOW_GAIN * away_m
            self._aim()
        self._floor_y_m += FLOOR_GAIN * (floor_y_m - self._floor_y_m)

    def _place_people(self, joints_m: Float64[ndarray, "people 16 3"]) -> None:
        vertices, normals = self._skeleton.placed(joints_m, hidden_at_m=self._target_m)
        self._mesh.vertices = self._o3d.utility.Vector3dVector(vertices)
        self._mesh.vertex_normals = self._o3d.utility.Vector3dVector(normals)

    def _place_floor(self) -> None:
        points, _ = _grid_lines()
        middle = np.round(self._target_m / GRID_STEP_M) * GRID_STEP_M  # whole steps, so the lines stand still
        self._grid.points = self._o3d.utility.Vector3dVector(points + np.array([middle[0], self._floor_y_m, middle[2]]))

    def _place_board(self, picture_bgr: UInt8[ndarray, "h w 3"]) -> None:
        """The picture stands to the left, behind the person, its lower edge on the floor."""
        width_m = BOARD_HEIGHT_M * picture_bgr.shape[1] / picture_bgr.shape[0]
        right, z = self._target_m[0] - BOARD_LEFT_M, self._target_m[2] + BOARD_BEHIND_M
        top, left = self._floor_y_m - BOARD_HEIGHT_M, right - width_m
        corners = [(left, top, z), (right, top, z), (right, self._floor_y_m, z), (left, self._floor_y_m, z)]
        self._board.vertices = self._o3d.utility.Vector3dVector(np.array(corners))
        picture_rgb = np.ascontiguousarray(picture_bgr[..., ::-1])
        self._board.textures = [self._o3d.geometry.Image(picture_rgb)]


class SkeletonMesh:
    """Cylinders and spheres of up to `PEOPLE_MAX` skeletons as one mesh whose vertices alone change."""

    def __init__(self) -> None:
        self._ring = _unit_ring(BONE_SIDES)
        self._sphere, sphere_triangles = _unit_sphere(SPHERE_RINGS, BONE_SIDES)
        self._radii = np.full(JOINTS, JOINT_RADIUS_M)
        self._radii[HEAD_TOP] = HEAD_RADIUS_M
        side = np.arange(BONE_SIDES)
        after = (side + 1) % BONE_SIDES
        tube = np.concatenate(
            [
                np.column_stack([side, after, side + BONE_SIDES]),
                np.column_stack([after, after + BONE_SIDES, side + BONE_SIDES]),
            ]
        )
        parts = [(tube, 2 * BONE_SIDES, side_rgb(child)) for child, _ in BONES]
        parts += [(sphere_triangles, len(self._sphere), side_rgb(joint)) for joint in range(JOINTS)]
        triangles, colors, start = [], [], 0
        for part, count, color in parts * PEOPLE_MAX:
            triangles.append(part + start)
            colors.append(np.tile(color, (count, 1)))
            start += count
        self.triangles: Int32[ndarray, "t 3"] = np.concatenate(triangles).astype(np.int32)
        self.colors: Float64[ndarray, "v 3"] = np.concatenate(colors)

    def placed(
        self, joints_m: Float64[ndarray, "people 16 3"], *, hidden_at_m: Float64[ndarray, "3"]
    ) -> tuple[Float64[ndarray, "v 3"], Float64[ndarray, "v 3"]]:
        """Vertices and normals; people who are not there shrink to a point."""
        placed = [self._person(person) for person in joints_m[:PEOPLE_MAX]]
        missing = PEOPLE_MAX - len(placed)
        each = len(self.colors) // PEOPLE_MAX
        vertices = [v for v, _ in placed] + [np.tile(hidden_at_m, (each * missing, 1))]
        normals = [n for _, n in placed] + [np.tile((0.0, -1.0, 0.0), (each * missing, 1))]
        return np.concatenate(vertices), np.concatenate(normals)

    def _person(self, joints_m: Float64[ndarray, "16 3"]) -> tuple[Float64[ndarray, "n 3"], Float64[ndarray, "n 3"]]:
        child, parent = joints_m[_BONE_ENDS[:, 0]], joints_m[_BONE_ENDS[:, 1]]
        radial = self._ring @ _across(child - parent)  # (15, sides, 3)
        tube = np.stack([parent[:, None] + radial * BONE_RADIUS_M, child[:, None] + radial * BONE_RADIUS_M], axis=1)
        balls = joints_m[:, None] + self._sphere * self._radii[:, None, None]
        normals = np.concatenate(
            [np.stack([radial, radial], axis=1).reshape(-1, 3), np.tile(self._sphere, (JOINTS, 1))]
        )
        return np.concatenate([tube.reshape(-1, 3), balls.reshape(-1, 3)]), normals


def _across(along: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n 2 3"]:
    """Two unit vectors at right angles to each given one and to each other."""
    z = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    helper = np.where(np.abs(z[:, :1]) < 0.8, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    x = np.cross(helper, z)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)
    return np.stack([x, np.cross(z, x)], axis=1)


def _unit_ring(count: int) -> Float64[ndarray, "n 2"]:
    angle = np.arange(count) * (2 * np.pi / count)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def _unit_sphere(rings: int, sides: int) -> tuple[Float64[ndarray, "v 3"], Int32[ndarray, "t 3"]]:
    polar = np.linspace(0, np.pi, rings + 1)[:, None, None]
    ring = _unit_ring(sides)[None]
    points = np.concatenate([np.sin(polar) * ring, np.broadcast_to(np.cos(polar), (rings + 1, sides, 1))], axis=2)
    at = np.arange(rings)[:, None] * sides
    side = np.arange(sides)[None]
    a, b = at + side, at + (side + 1) % sides
    triangles = np.concatenate([np.stack([a, b, a + sides], -1), np.stack([b, b + sides, a + sides], -1)])
    return points.reshape(-1, 3), triangles.reshape(-1, 3).astype(np.int32)


def _grid_lines() -> tuple[Float64[ndarray, "n 3"], Int32[ndarray, "m 2"]]:
    at = np.arange(-GRID_HALF_M, GRID_HALF_M + GRID_STEP_M / 2, GRID_STEP_M)
    end, zero = np.full_like(at, GRID_HALF_M), np.zeros_like(at)
    ends = [(at, zero, -end), (at, zero, end), (-end, zero, at), (end, zero, at)]
    points = np.concatenate([np.column_stack(p) for p in ends])
    n = len(at)
    first = np.concatenate([np.arange(n), np.arange(2 * n, 3 * n)])
    return points, np.column_stack([first, first + n]).astype(np.int32)


def _camera_lines() -> tuple[Float64[ndarray, "5 3"], Int32[ndarray, "8 2"]]:
    """A small pyramid where the camera stands, opening the way it looks."""
    corners = [(-0.2, -0.12, 0.3), (0.2, -0.12, 0.3), (0.2, 0.12, 0.3), (-0.2, 0.12, 0.3)]
    edges = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4), (4, 1)]
    return np.array([(0.0, 0.0, 0.0), *corners]), np.array(edges, np.int32)


def _lines(
    open3d: Any, points: Float64[ndarray, "n 3"], pairs: Int32[ndarray, "m 2"], rgb: tuple[float, float, float]
) -> Any:
    lines = open3d.geometry.LineSet()
    lines.points = open3d.utility.Vector3dVector(points)
    lines.lines = open3d.utility.Vector2iVector(pairs)
    lines.paint_uniform_color(rgb)
    return lines


def _picture_board(open3d: Any) -> Any:
    """A rectangle with a texture, all in one point until the first picture comes."""
    board = open3d.geometry.TriangleMesh()
    board.vertices = open3d.utility.Vector3dVector(np.tile(START_M, (4, 1)))
    board.triangles = open3d.utility.Vector3iVector(np.array([(0, 1, 2), (0, 2, 3)], np.int32))
    uv = np.array([(0, 0), (1, 0), (1, 1), (0, 0), (1, 1), (0, 1)], np.float64)
    board.triangle_uvs = open3d.utility.Vector2dVector(uv)
    board.triangle_material_ids = open3d.utility.IntVector([0, 0])
    board.textures = [open3d.geometry.Image(np.zeros((2, 2, 3), np.uint8))]
    return board
