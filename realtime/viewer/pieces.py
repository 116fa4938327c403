"""Open3D geometry that is made once and changed in place.

Taking geometry out and putting it back in each frame crashes Open3D (isl-org/Open3D#4634). No piece has normals:
then Open3D shows its colours as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64, Int32, UInt8
from numpy import ndarray

_NOWHERE = np.zeros((4, 3))


class Mesh:
    """Triangles with a colour per vertex."""

    def __init__(self, open3d: Any) -> None:
        self._utility = open3d.utility
        self.geometry = open3d.geometry.TriangleMesh()
        self.clear()

    def place(
        self,
        vertices: Float64[ndarray, "v 3"],
        rgb: Float64[ndarray, "v 3"],
        triangles: Int32[ndarray, "t 3"] | None = None,
    ) -> None:
        """New vertices; triangles only where their number changed."""
        self.geometry.vertices = self._utility.Vector3dVector(vertices)
        self.geometry.vertex_colors = self._utility.Vector3dVector(rgb)
        if triangles is not None:
            self.geometry.triangles = self._utility.Vector3iVector(triangles)

    def clear(self) -> None:
        """Shrinks to a point: Open3D wants at least one triangle."""
        self.place(_NOWHERE[:3], _NOWHERE[:3], np.array([(0, 1, 2)], np.int32))


class Quad:
    """A rectangle with a picture on it, all in one point until it is placed."""

    def __init__(self, open3d: Any, *, inset: float = 0.0) -> None:
        """`inset` is the share of the picture left away at each edge, where Open3D would mix black in."""
        self._open3d = open3d
        self.geometry = open3d.geometry.TriangleMesh()
        self.geometry.vertices = open3d.utility.Vector3dVector(_NOWHERE)
        self.geometry.triangles = open3d.utility.Vector3iVector(np.array([(0, 1, 2), (0, 2, 3)], np.int32))
        uv = np.array([(0, 0), (1, 0), (1, 1), (0, 0), (1, 1), (0, 1)], np.float64)
        self.geometry.triangle_uvs = open3d.utility.Vector2dVector(np.clip(uv, inset, 1.0 - inset))
        self.geometry.triangle_material_ids = open3d.utility.IntVector([0, 0])
        self.paint(np.zeros((2, 2, 3), np.uint8))

    def place(self, corners_m: Float64[ndarray, "4 3"]) -> None:
        """From the picture's upper left corner, clockwise."""
        self.geometry.vertices = self._open3d.utility.Vector3dVector(corners_m)

    def paint(self, image_rgb: UInt8[ndarray, "h w 3"]) -> None:
        """Another picture."""
        self.geometry.textures = [self._open3d.geometry.Image(np.ascontiguousarray(image_rgb))]


class Lines:
    """Lines one pixel wide, each with its colour."""

    def __init__(
        self, open3d: Any, pairs: Int32[ndarray, "m 2"], rgb: Float64[ndarray, "m 3"], points: Float64[ndarray, "n 3"]
    ) -> None:
        self._utility = open3d.utility
        self.geometry = open3d.geometry.LineSet()
        self.place(points)
        self.geometry.lines = self._utility.Vector2iVector(pairs)
        self.geometry.colors = self._utility.Vector3dVector(rgb)

    def place(self, points: Float64[ndarray, "n 3"]) -> None:
        """Other ends for the same lines."""
        self.geometry.points = self._utility.Vector3dVector(points)
