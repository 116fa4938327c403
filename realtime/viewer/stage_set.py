"""All that stands in the window: room, people, tails and panel, brought up to date with as little work as can be."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from engine.skeleton import CORE, ROOT
from realtime.colours import BACKGROUND_RGB, CAMERA_RGB
from realtime.stage import UNKNOWN_ROOT_M, Stage
from realtime.viewer.body import mesh_of
from realtime.viewer.eye import PRESETS, Eye
from realtime.viewer.keys import Action
from realtime.viewer.panel import Content, PanelWriter, PersonLine, panel_width, picture_panel
from realtime.viewer.pieces import Lines, Mesh, Quad
from realtime.viewer.room import TEXELS, Floor, camera_wires
from realtime.viewer.slot import JOINTS_MAX, Picture, View
from realtime.viewer.trails import Trails

ROOM_M = 6.0  # extent of what sets the zoom's unit and how fast the mouse moves things
PANEL_DEPTH_M = 0.2  # before the eye
PANEL_EVERY_S = 0.25  # figures that change more often cannot be read
# the eye stays where it is while the people move about within this
SLACK_M = 0.35
# an eye this near to the camera would see its frame before everything else
CAMERA_HIDDEN_M = 1.6
_NOBODY = View([], np.zeros((0, JOINTS_MAX, 3), np.float32), np.zeros((0, JOINTS_MAX), np.float32), [], None)


class StageSet:
    """The pieces of a window, and what the keys switch on and off."""

    def __init__(self, open3d: Any, vis: Any, title: str) -> None:
        self._vis, self._title = vis, title
        self.trails_on, self.by_score, self.keys_on, self.note = False, False, True, ""
        self._focus_id: int | None = None
        self._stage, self._trails, self._room = Stage(slack_m=SLACK_M), Trails(), Floor()
        self._view, self._picture = _NOBODY, None
        self._mirror = False
        self._came = False
        self._panel_said: tuple[Content, int, tuple[int, int]] | None = None
        self._panel_s = -np.inf
        self._picture_height, self._seen_px = 0, (0, 0)
        self._floor = Quad(open3d, inset=1.0 / TEXELS)
        self._picture_quad, self._panel_quad = Quad(open3d), Quad(open3d)
        self._people, self._tails, self._camera = Mesh(open3d), Mesh(open3d), Mesh(open3d)
        middle_m = self._room.middle(self._stage.target_m, self._stage.floor_y_m)
        points = self._room.line_points(middle_m)
        self._grid = Lines(open3d, self._room.line_pairs, self._room.line_rgb, points)
        self._wires, triangles = camera_wires()
        self._wire_rgb = np.tile(CAMERA_RGB, (len(self._wires), 1))
        self._camera.place(self._wires, self._wire_rgb, triangles)
        self._people_shape = (0, JOINTS_MAX)  # people and the joints of each, as the mesh has them
        self._add_all(open3d)
        option = vis.get_render_option()
        option.background_color = np.array(BACKGROUND_RGB)
        option.mesh_show_back_face = True
        self._eye = Eye(vis, unit_m=ROOM_M)

    def toggle(self, action: Action, now_s: float) -> None:
        """What a key does to the window itself."""
        if action in PRESETS:
            self._eye.switch(action, now_s)
        elif action == "trails":
            self.trails_on = not self.trails_on
        elif action == "confidence":
            self.by_score = not self.by_score
        elif action == "help":
            self.keys_on = not self.keys_on
        elif action == "next_person" and self._view.ids:
            ids = sorted(self._view.ids)
            place = ids.index(self._focus_id) + 1 if self._focus_id in ids else 0
            self._focus_id = ids[place % len(ids)]

    def update(self, view: View | None, picture: Picture | None, now_s: float, *, hurry: bool) -> bool:
        """Brings everything up to date with what came (None: nothing new); whether anything changed."""
        if view is not None:
            self._take(view)
        size_px = self._eye.size_px
        if min(size_px) < 2:  # minimised
            return False
        free_share = 1.0 - panel_width(size_px) / size_px[0]
        moved = self._eye.tick(self._stage.target_m, self._stage.reach_m, free_share, now_s)
        resized, self._seen_px = size_px != self._seen_px, size_px
        repainted = self._paint_picture(picture, size_px, anew=hurry or resized)
        rewritten = self._write_panel(size_px, now_s, hurry=hurry or resized)
        if view is not None or moved or hurry:
            self._place_people()
        if view is not None:
            self._place_floor()
        if repainted or moved or resized:
            self._fix(self._picture_quad, 0, self._picture_height)
        if rewritten or moved or resized or repainted:
            self._fix(self._panel_quad, self._picture_height, size_px[1])
        return view is not None or moved or hurry or repainted or rewritten

    def _take(self, view: View) -> None:
        self._view, self._came = view, True
        joints_m = view.joints_m.astype(np.float64)
        focus = view.ids.index(self._focus_id) if self._focus_id in view.ids else None
        self._stage.follow(list(joints_m), focus)
        self._trails.add(view.ids, joints_m)

    def _place_people(self) -> None:
        joints_m, eye_m = self._view.joints_m.astype(np.float64), self._eye.place_m()
        body, shape = mesh_of(joints_m.shape[1]), joints_m.shape[:2]
        vertices, rgb = body.placed(joints_m, self._view.score, eye_m=eye_m, by_score=self.by_score)
        in_the_way = np.linalg.norm(eye_m) < CAMERA_HIDDEN_M
        self._camera.place(self._wires * (0.0 if in_the_way else 1.0), self._wire_rgb)
        changed, self._people_shape = shape != self._people_shape, shape
        self._people.place(vertices, rgb, body.triangles(len(joints_m)) if changed else None)
        tails = self._trails.mesh() if self.trails_on else None
        if tails is None:
            self._tails.clear()
        else:
            vertices, triangles, rgb = tails
            self._tails.place(vertices, rgb, triangles)
        self._renew(self._people, self._tails, self._camera)

    def _place_floor(self) -> None:
        middle_m = self._room.middle(self._stage.target_m, self._stage.floor_y_m)
        self._floor.paint(self._room.texture(self._view.joints_m.astype(np.float64), middle_m))
        self._floor.place(self._room.corners(middle_m))
        self._grid.place(self._room.line_points(middle_m))
        self._renew(self._floor, self._grid)

    def _paint_picture(self, picture: Picture | None, size_px: tuple[int, int], *, anew: bool) -> bool:
        """Whether the panel's picture is another one now."""
        mirror = self._view.status is not None and self._view.status.mirror
        if picture is not None:
            self._picture = picture
        if self._picture is None or not (picture is not None or anew or mirror != self._mirror):
            return False
        self._mirror = mirror
        image = picture_panel(self._picture, size_px, mirror=mirror, by_score=self.by_score)
        self._picture_height = image.shape[0]
        self._picture_quad.paint(image[..., ::-1])
        return True

    def _write_panel(self, size_px: tuple[int, int], now_s: float, *, hurry: bool) -> bool:
        """Whether the panel says something else now."""
        said = (self._content(), self._picture_height, size_px)
        if said == self._panel_said:
            return False
        moved = self._panel_said is None or said[1:] != self._panel_said[1:]
        if not (hurry or moved or now_s - self._panel_s >= PANEL_EVERY_S):
            return False
        self._panel_said, self._panel_s = said, now_s
        writer = PanelWriter((panel_width(size_px), size_px[1] - self._picture_height))
        self._panel_quad.paint(writer.write(said[0])[..., ::-1])
        return True

    def _content(self) -> Content:
        return Content(
            title=self._title,
            status=self._view.status,
            people=tuple(self._person_lines()),
            view=self._eye.name,
            trails=self.trails_on,
            by_score=self.by_score,
            keys=self.keys_on,
            note=self.note,
            waiting=not self._came,
        )

    def _person_lines(self) -> list[PersonLine]:
        view, lines = self._view, []
        for id, joints_m, score, known in zip(view.ids, view.joints_m, view.score, view.distance_known, strict=True):
            distance_m = round(float(np.linalg.norm(joints_m[ROOT])), 2) if known else None
            lines.append(PersonLine(id, distance_m, round(float(score[CORE].mean()), 2), id == self._focus_id))
        return sorted(lines, key=lambda line: line.id)

    def _fix(self, quad: Quad, top: int, bottom: int) -> None:
        """Puts a quad over these rows of the panel, right before the eye."""
        corners_m = self._eye.on_screen(0, top, panel_width(self._seen_px), bottom, PANEL_DEPTH_M)
        quad.place(corners_m)
        self._renew(quad)

    def _renew(self, *pieces: Mesh | Quad | Lines) -> None:
        for piece in pieces:
            self._vis.update_geometry(piece.geometry)

    def _add_all(self, open3d: Any) -> None:
        """The first piece, which nobody sees, sets where the room is: Open3D's zoom and near plane hang on it."""
        middle_m: Float64[ndarray, "3"] = np.array(UNKNOWN_ROOT_M)
        corners_m = middle_m + ROOM_M / 2 * np.array([(-1, -1, -1), (1, 1, 1)])
        extent = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(corners_m))
        extent.paint_uniform_color(BACKGROUND_RGB)
        self._vis.add_geometry(extent)
        pieces = (self._floor, self._grid, self._camera, self._people, self._tails)
        for piece in (*pieces, self._picture_quad, self._panel_quad):
            self._vis.add_geometry(piece.geometry, reset_bounding_box=False)
