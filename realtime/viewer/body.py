"""Skeletons as one lit mesh: tapered limbs, balls for joints, a sphere for the head.

The light is worked out here, per vertex, in the room's axes: Open3D's own lamps hang on the eye and look flat.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float32, Float64, Int32
from numpy import ndarray

from engine.skeleton import HEAD_TOP, UPPER_NECK
from realtime.colours import CENTRE_RGB, score_rgb, side_rgb
from realtime.figure import HEAD_RADIUS_M, posed, rods_of

LIMB_SIDES = 12
BALL_RINGS, BALL_SIDES = 6, 10
HEAD_RINGS, HEAD_SIDES = 12, 20
# the ball of each joint; limbs run between their balls, a little thinner
JOINT_RADII_M = np.array(
    [
        *(0.038, 0.046, 0.054, 0.054, 0.046, 0.038),  # legs, from the right ankle to the left
        *(0.056, 0.054, 0.042, HEAD_RADIUS_M),
        *(0.033, 0.039, 0.046, 0.046, 0.039, 0.033),  # arms, from the right wrist to the left
        *(0.026, 0.024, 0.026, 0.024),  # heel and toe, right and left
        *(0.020, 0.022, 0.022),  # nose and ears
        *(0.026, 0.026),  # hands
    ]
)
LIMB_OF_JOINT = 0.80
LAMP = np.array([-0.45, -0.75, -0.55]) / np.linalg.norm([-0.45, -0.75, -0.55])  # towards it: above, beside the camera
AMBIENT, SKY, DIFFUSE, SHINE, RIM = 0.38, 0.20, 0.52, 0.28, 0.22


class BodyMesh:
    """Makes the vertices, colours and triangles of the people who are there, all of a skeleton of so many joints."""

    def __init__(self, joints: int) -> None:
        rods = rods_of(joints)
        self._ends, self._radii_m = np.array(rods), JOINT_RADII_M[:joints]
        self._ring = _unit_ring(LIMB_SIDES)
        small, head = _unit_ball(BALL_RINGS, BALL_SIDES), _unit_ball(HEAD_RINGS, HEAD_SIDES)
        balls = [head if joint == HEAD_TOP else small for joint in range(joints)]
        self._balls: Float64[ndarray, "n 3"] = np.concatenate([points for points, _ in balls])
        self._joint_of_ball = np.repeat(np.arange(joints), [len(points) for points, _ in balls])
        tube = _tube_triangles(LIMB_SIDES)
        parts = [(tube, 2 * LIMB_SIDES)] * len(rods) + [(triangles, len(points)) for points, triangles in balls]
        starts = np.cumsum([0] + [count for _, count in parts])
        self._count = int(starts[-1])
        self._triangles = np.concatenate([t + start for (t, _), start in zip(parts, starts, strict=False)])
        bones = [np.tile(side_rgb(child), (2 * LIMB_SIDES, 1)) for child, _ in rods]
        self._bone_rgb: Float64[ndarray, "n 3"] = np.concatenate(bones)
        self._joint_rgb = np.array([CENTRE_RGB if j == HEAD_TOP else side_rgb(j) for j in range(joints)])
        self._limb_radii_m = self._radii_m[self._ends] * LIMB_OF_JOINT
        self._limb_radii_m[self._ends[:, 0] == HEAD_TOP] = JOINT_RADII_M[UPPER_NECK] * LIMB_OF_JOINT

    def triangles(self, people: int) -> Int32[ndarray, "t 3"]:
        """Of this many people; one that is a point where nobody is there, since a mesh may not be empty."""
        if not people:
            return np.zeros((1, 3), np.int32)
        starts = np.arange(people)[:, None, None] * self._count
        return (self._triangles + starts).reshape(-1, 3).astype(np.int32)

    def placed(
        self,
        joints_m: Float64[ndarray, "people joints 3"],
        score: Float32[ndarray, "people joints"],
        *,
        eye_m: Float64[ndarray, "3"],
        by_score: bool = False,
    ) -> tuple[Float64[ndarray, "v 3"], Float64[ndarray, "v 3"]]:
        """Vertices and their colours."""
        if not len(joints_m):
            return np.tile(eye_m, (3, 1)), np.zeros((3, 3))
        shapes = [self._shape(person) for person in joints_m]
        vertices, normals = (np.concatenate(part) for part in zip(*shapes, strict=True))
        rgb = np.concatenate([self._rgb(row if by_score else None) for row in score])
        return vertices, lit(rgb, vertices, normals, eye_m)

    def _shape(self, joints_m: Float64[ndarray, "joints 3"]) -> tuple[Float64[ndarray, "n 3"], Float64[ndarray, "n 3"]]:
        joints_m = posed(joints_m)
        ends = joints_m[self._ends]  # (bones, 2, 3)
        radial = self._ring @ _across(ends[:, 0] - ends[:, 1])  # (bones, sides, 3)
        tubes = ends[:, :, None] + radial[:, None] * self._limb_radii_m[:, :, None, None]
        at = self._joint_of_ball
        balls = joints_m[at] + self._balls * self._radii_m[at, None]
        around = np.broadcast_to(radial[:, None], tubes.shape).reshape(-1, 3)
        return np.concatenate([tubes.reshape(-1, 3), balls]), np.concatenate([around, self._balls])

    def _rgb(self, score: Float32[ndarray, "joints"] | None) -> Float64[ndarray, "n 3"]:
        joints = self._joint_rgb if score is None else np.array([score_rgb(float(s)) for s in score])
        bones = self._bone_rgb if score is None else self._bone_rgb * 0.55 + 0.15
        return np.concatenate([bones, joints[self._joint_of_ball]])


@cache
def mesh_of(joints: int) -> BodyMesh:
    """The mesh of people with so many joints."""
    return BodyMesh(joints)


def lit(
    rgb: Float64[ndarray, "n 3"],
    points_m: Float64[ndarray, "n 3"],
    normals: Float64[ndarray, "n 3"],
    eye_m: Float64[ndarray, "3"],
) -> Float64[ndarray, "n 3"]:
    """Colours under a lamp and a bright sky, with a shine and a rim for the eye."""
    to_eye = eye_m - points_m
    to_eye /= np.maximum(np.linalg.norm(to_eye, axis=1, keepdims=True), 1e-9)
    half = to_eye + LAMP
    half /= np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-9)
    light = AMBIENT + SKY * (0.5 - 0.5 * normals[:, 1]) + DIFFUSE * np.maximum(normals @ LAMP, 0.0)
    shine = SHINE * np.maximum(np.einsum("ij,ij->i", normals, half), 0.0) ** 20
    rim = RIM * (1.0 - np.abs(np.einsum("ij,ij->i", normals, to_eye))) ** 3
    return np.clip(rgb * light[:, None] + (shine + rim * light)[:, None], 0.0, 1.0)


def tubes(
    ends_m: Float64[ndarray, "n 2 3"], radii_m: Float64[ndarray, "n 2"], sides: int
) -> tuple[Float64[ndarray, "v 3"], Int32[ndarray, "t 3"]]:
    """Vertices and triangles of open tubes between pairs of points."""
    radial = _unit_ring(sides) @ _across(ends_m[:, 0] - ends_m[:, 1])
    vertices = ends_m[:, :, None] + radial[:, None] * radii_m[:, :, None, None]
    starts = np.arange(len(ends_m))[:, None, None] * (2 * sides)
    return vertices.reshape(-1, 3), (_tube_triangles(sides) + starts).reshape(-1, 3).astype(np.int32)


def _across(along: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n 2 3"]:
    """Two unit vectors at right angles to each given one and to each other."""
    z = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    helper = np.where(np.abs(z[:, :1]) < 0.8, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    x = np.cross(helper, z)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)
    return np.stack([x, np.cross(z, x)], axis=1)


def _tube_triangles(sides: int) -> Int32[ndarray, "t 3"]:
    side = np.arange(sides)
    after = (side + 1) % sides
    first = np.column_stack([side, after, side + sides])
    return np.concatenate([first, np.column_stack([after, after + sides, side + sides])]).astype(np.int32)


def _unit_ring(count: int) -> Float64[ndarray, "n 2"]:
    angle = np.arange(count) * (2 * np.pi / count)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def _unit_ball(rings: int, sides: int) -> tuple[Float64[ndarray, "v 3"], Int32[ndarray, "t 3"]]:
    polar = np.linspace(0, np.pi, rings + 1)[:, None, None]
    ring = _unit_ring(sides)[None]
    points = np.concatenate([np.sin(polar) * ring, np.broadcast_to(np.cos(polar), (rings + 1, sides, 1))], axis=2)
    at = np.arange(rings)[:, None] * sides
    side = np.arange(sides)[None]
    a, b = at + side, at + (side + 1) % sides
    triangles = np.concatenate([np.stack([a, b, a + sides], -1), np.stack([b, b + sides, a + sides], -1)])
    return points.reshape(-1, 3), triangles.reshape(-1, 3).astype(np.int32)
