"""The baked body: a person's shape, the posed mesh and the joints of `body25`.

Axes of a body at rest: x to the person's left, y up, z forward, metres. A pose is given as the rotation of
fifteen segments from the neutral stance (arms hanging, legs straight, looking to z); see `pose.py`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray
from torch import Tensor

from engine.places import CACHE_VARIABLE
from engine.skeleton import CORE
from train.synthetic.bake import PART_BODY, PART_EYE, bake_body
from train.synthetic.landmarks import Landmark, find_landmarks
from train.synthetic.pose import Pose, between, blended, rotation
from train.synthetic.rig import ARM, BONES, LEG, PARENT, SEGMENT_OF_BONE, bone
from train.synthetic.split import Split, bodies_of

SKIN_FACES = 9000
MEAN_HEIGHT_M = 1.70
# how far the collar bone follows the upper arm, and from which elevation on
CLAVICLE_SHARE, CLAVICLE_FROM_RAD = 0.28, 0.6
FIELDS = ("cloth_x", "cloth_y", "cloth_z", "arm", "leg", "head", "eye")


def cache_folder() -> Path:
    """Where baked bodies and rendered samples are kept: $POSE_CACHE, else `cache` in the repository."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path(__file__).resolve().parents[2] / "cache")


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """What the file holds, and what is derived from it once."""

    vertices: Float64[ndarray, "v 3"]
    shapes: Float64[ndarray, "16 v 3"]
    heads: Float64[ndarray, "b 3"]
    head_shapes: Float64[ndarray, "16 b 3"]
    scalp: Float64[ndarray, "3"]
    scalp_shapes: Float64[ndarray, "16 3"]
    scores: Float64[ndarray, "people 16"]
    faces: Int64[ndarray, "f 3"]
    part: Int64[ndarray, "f"]
    skin: Float32[ndarray, "v b"]
    landmarks: tuple[Landmark, ...] = field(repr=False)  # heels, toes, nose, ears; right before left
    fields: Float32[ndarray, "v 7"] = field(repr=False)  # FIELDS, of the mean person
    part_of_vertex: Int64[ndarray, "v"] = field(repr=False)

    def person(self, shape: Float64[ndarray, "16"], *, scale: float = 1.0) -> Person:
        """One person at rest. `shape` are scores of the components, `scale` grows everything."""
        heads = (self.heads + np.tensordot(shape, self.head_shapes, 1)) * scale
        scalp = (self.scalp + shape @ self.scalp_shapes) * scale
        return Person(self, shape, scale, heads, scalp, self._landmarks(shape) * scale, _neutral_from_rest(heads))

    def _landmarks(self, shape: Float64[ndarray, "16"]) -> Float64[ndarray, "7 3"]:
        """Of an unscaled person."""
        return np.stack(
            [
                self.vertices[one.vertices].mean(0) + np.tensordot(shape, self.shapes[:, one.vertices].mean(1), 1)
                for one in self.landmarks
            ]
        )

    def height_m(self, shape: Float64[ndarray, "16"]) -> float:
        """Standing height of an unscaled person, of the skin alone."""
        y = (self.vertices[:, 1] + shape @ self.shapes[:, :, 1])[self.part_of_vertex == PART_BODY]
        return float(y.max() - y.min())

    def someone(self, rng: np.random.Generator, *, split: Split = "all") -> Person:
        """A random person of the sampled population, grown or shrunk to a height that adults have."""
        shape = self.scores[rng.choice(bodies_of(len(self.scores), split))]
        height_m = float(np.clip(rng.normal(MEAN_HEIGHT_M, 0.05 * MEAN_HEIGHT_M), 1.4, 2.02))
        return self.person(shape, scale=height_m / self.height_m(shape))


@dataclass(frozen=True, slots=True)
class Person:
    """One person's shape at rest."""

    body: Body
    shape: Float64[ndarray, "16"]
    scale: float
    heads: Float64[ndarray, "b 3"]
    scalp: Float64[ndarray, "3"]
    landmarks: Float64[ndarray, "7 3"]
    neutral_from_rest: Float64[ndarray, "b 3 3"]

    @property
    def height_m(self) -> float:
        """Standing height, of the skin alone."""
        return self.body.height_m(self.shape) * self.scale

    def posed(self, pose: Pose) -> Posed:
        """The person in a pose, the pelvis joint (mid-hip) at the origin."""
        R = _bone_rotations(pose, self.neutral_from_rest)
        heads = np.zeros_like(self.heads)
        for i, parent in enumerate(PARENT):
            if parent is not None:
                heads[i] = heads[parent] + R[parent] @ (self.heads[i] - self.heads[parent])
        offset = heads - np.einsum("bij,bj->bi", R, self.heads)
        middle = (heads[bone("LeftUpLeg")] + heads[bone("RightUpLeg")]) / 2
        heads, offset = heads - middle, offset - middle
        head, carriers = bone("Head"), [one.bone for one in self.body.landmarks]
        landmarks = np.einsum("nij,nj->ni", R[carriers], self.landmarks) + offset[carriers]
        return Posed(self, R, offset, _joints(heads, R[head] @ self.scalp + offset[head], landmarks))


@dataclass(frozen=True, slots=True)
class Posed:
    """A posed person: x = R_b x_rest + t_b for each bone, blended by the skinning weights."""

    person: Person
    R: Float64[ndarray, "b 3 3"]
    t: Float64[ndarray, "b 3"]
    joints: Float64[ndarray, "25 3"]  # of `body25`

    @property
    def core(self) -> Float64[ndarray, "16 3"]:
        """The joints of `mpii16`: what a person's place and box are judged by."""
        return self.joints[CORE]


def skinned(people: Sequence[Posed], normals: Tensor, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """The skinned meshes and their turned normals, both (n, v, 3) float32; `normals` (v, 3) are those at rest."""
    body = people[0].person.body
    mean, shapes, skin = _tensors(body, device)
    scores = _float([one.person.shape for one in people], device)
    scale = _float([one.person.scale for one in people], device)
    rest = (mean + (scores @ shapes).view(len(people), -1, 3)) * scale[:, None, None]
    # the transforms' columns lie side by side: three for the turned axes, one for the shift
    transform = np.stack([np.concatenate([one.R, one.t[:, :, None]], axis=2).transpose(0, 2, 1) for one in people])
    blend = skin @ _float(transform.reshape(len(people), -1, 12), device)  # (n, v, 12)
    x, y, z = (blend[:, :, 3 * i : 3 * i + 3] for i in range(3))
    points = x * rest[..., :1] + y * rest[..., 1:2] + z * rest[..., 2:] + blend[:, :, 9:]
    return points, x * normals[:, :1] + y * normals[:, 1:2] + z * normals[:, 2:]


@lru_cache(maxsize=4)
def _tensors(body: Body, device: torch.device | str) -> tuple[Tensor, Tensor, Tensor]:
    return (
        _float(body.vertices, device),
        _float(body.shapes.reshape(len(body.shapes), -1), device),
        torch.from_numpy(body.skin).to(device),
    )


def _float(values: list | ndarray, device: torch.device | str) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32)).to(device)


@lru_cache(maxsize=4)
def load_body(path: Path | None = None, *, faces: int | None = SKIN_FACES) -> Body:
    """The baked body; baked first where the cache has none. ValueError for a file of another kind."""
    if path is None:
        path = cache_folder() / f"body_{faces or 'full'}.npz"
    if not path.exists():
        bake_body(path, faces=faces)
    with np.load(path, allow_pickle=False) as raw:
        if tuple(raw["bone_names"]) != BONES:
            raise ValueError(f"{path} is not a baked body of this version; delete it and it is made anew")
        data = {key: raw[key] for key in raw.files if key != "bone_names"}
    wide = {k: v.astype(np.float64) if v.dtype == np.float32 else v.astype(np.int64) for k, v in data.items()}
    skin = np.zeros((len(wide["vertices"]), len(BONES)))
    np.put_along_axis(skin, wide["skin_bone"], wide["skin_weight"], axis=1)
    part_of_vertex = np.zeros(len(skin), np.int64)
    part_of_vertex[wide["faces"]] = wide["part"][:, None]
    return Body(
        vertices=wide["vertices"],
        shapes=wide["vertex_shapes"],
        heads=wide["bone_heads"],
        head_shapes=wide["bone_head_shapes"],
        scalp=wide["scalp"].mean(axis=0),
        scalp_shapes=wide["scalp_shapes"].mean(axis=1),
        scores=wide["scores"],
        faces=wide["faces"],
        part=wide["part"],
        skin=skin.astype(np.float32),
        landmarks=find_landmarks(
            wide["vertices"], wide["bone_heads"], skin.argmax(axis=1), np.asarray(part_of_vertex == PART_BODY)
        ),
        fields=_fields(wide["vertices"], wide["bone_heads"], skin, part_of_vertex),
        part_of_vertex=part_of_vertex,
    )


def _joints(
    heads: Float64[ndarray, "b 3"], scalp: Float64[ndarray, "3"], landmarks: Float64[ndarray, "7 3"]
) -> Float64[ndarray, "25 3"]:
    """The mapping from the rig and the skin to `body25`, in one place."""
    at = {name: heads[i] for i, name in enumerate(BONES)}
    shoulders = (at["LeftArm"] + at["RightArm"]) / 2
    return np.stack(
        [
            at["RightFoot"],
            at["RightLeg"],
            at["RightUpLeg"],
            at["LeftUpLeg"],
            at["LeftLeg"],
            at["LeftFoot"],
            (at["LeftUpLeg"] + at["RightUpLeg"]) / 2,
            (at["Neck"] + shoulders) / 2,  # the neck joint alone lies 10 cm too high
            at["Neck1"],
            scalp,
            at["RightHand"],
            at["RightForeArm"],
            at["RightArm"],
            at["LeftArm"],
            at["LeftForeArm"],
            at["LeftHand"],
            *landmarks,
            at["RightHandFinger1"],  # begins at the knuckles
            at["LeftHandFinger1"],
        ]
    )


def _neutral_from_rest(heads: Float64[ndarray, "b 3"]) -> Float64[ndarray, "b 3 3"]:
    """Rotations that bring each bone from the modelled stance (arms and legs apart) to the neutral one."""
    A = np.tile(np.eye(3), (len(heads), 1, 1))
    down = np.array([0.0, -1.0, 0.0])
    for side in ("Left", "Right"):
        for chain in (ARM, LEG):
            first, second, end, *rest = [bone(side + name) for name in chain]
            A[first] = between(heads[second] - heads[first], down)
            A[second] = between(A[first] @ (heads[end] - heads[second]), down) @ A[first]
            A[[end, *rest]] = A[second]
    for side, thumb in (("Left", "LThumb"), ("Right", "RThumb")):
        A[[bone(thumb), bone(side + "FingerBase"), bone(side + "HandFinger1")]] = A[bone(side + "Hand")]
    return A


def _bone_rotations(pose: Pose, neutral_from_rest: Float64[ndarray, "b 3 3"]) -> Float64[ndarray, "b 3 3"]:
    S = pose.R
    pelvis, chest, head = S[SEGMENT_OF_BONE["Hips"]], S[SEGMENT_OF_BONE["Spine1"]], S[SEGMENT_OF_BONE["Head"]]
    R = np.empty_like(neutral_from_rest)
    for i, name in enumerate(BONES):
        segment = SEGMENT_OF_BONE.get(name)
        if segment is not None:
            R[i] = S[segment] @ neutral_from_rest[i]
    R[bone("LowerBack")] = blended(pelvis, chest, 0.35)
    R[bone("Spine")] = blended(pelvis, chest, 0.7)
    R[bone("Neck")] = blended(chest, head, 0.35)
    R[bone("Neck1")] = blended(chest, head, 0.7)
    for side in ("Left", "Right"):
        arm = S[SEGMENT_OF_BONE[side + "Arm"]]
        R[bone(side + "Shoulder")] = _clavicle(chest, arm)
    return R


def _clavicle(chest: Float64[ndarray, "3 3"], arm: Float64[ndarray, "3 3"]) -> Float64[ndarray, "3 3"]:
    """The shoulder rises with the arm once the arm is well up."""
    hanging, raised = -chest[:, 1], -arm[:, 1]
    angle = float(np.arccos(np.clip(hanging @ raised, -1, 1)))
    if angle <= CLAVICLE_FROM_RAD:
        return chest
    axis = np.cross(hanging, raised)
    length = float(np.linalg.norm(axis))
    axis = axis / length if length > 1e-6 else chest[:, 0]
    turn = axis * min(angle - CLAVICLE_FROM_RAD, 2.0) * CLAVICLE_SHARE
    return rotation(turn) @ chest


def _fields(
    vertices: Float64[ndarray, "v 3"],
    heads: Float64[ndarray, "b 3"],
    skin: Float64[ndarray, "v b"],
    part_of_vertex: Int64[ndarray, "v"],
) -> Float32[ndarray, "v 7"]:
    """Coordinates to paint clothes on: where a point lies with hanging limbs, and how far down arm and leg."""
    A = _neutral_from_rest(heads)
    hung = np.zeros_like(vertices)
    posed = heads.copy()
    for i, parent in enumerate(PARENT):
        if parent is not None:
            posed[i] = posed[parent] + A[parent] @ (heads[i] - heads[parent])
        hung += skin[:, i : i + 1] * ((vertices - heads[i]) @ A[i].T + posed[i])
    arm, leg = np.full(len(vertices), -0.35), np.full(len(vertices), -0.35)
    for side in ("Left", "Right"):
        for chain, out in ((ARM, arm), (LEG, leg)):
            first, second, end = [posed[bone(side + name)] for name in chain[:3]]
            names = {side + part for part in chain}
            if chain == ARM:
                names |= {side + "FingerBase", side + "HandFinger1", side[0] + "Thumb"}
            share = skin[:, [bone(name) for name in names]].sum(axis=1)
            drop = (first[1] - hung[:, 1]) / (first[1] - second[1])
            beyond = 1 + (second[1] - hung[:, 1]) / (second[1] - end[1])
            along = np.where(drop < 1, drop, beyond)
            out += share * (along + 0.35)
    head = skin[:, [bone("Head")]].sum(axis=1) + 0.5 * skin[:, bone("Neck1")]
    eye = (part_of_vertex == PART_EYE).astype(np.float64)
    return np.column_stack([hung, arm, leg, head, eye]).astype(np.float32)
