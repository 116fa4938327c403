"""Boiling the parametric body of `anny` down to one small file, once per machine (about a minute).

`anny` (code Apache-2.0, MakeHuman data CC0) gives a mesh, 624 blend shapes and a rig. Kept here: a
decimated mesh with the skirt and hair helper meshes, 16 principal shape components of a sampled
population, the four largest skinning weights of each vertex, and the coordinates on which clothes are
painted. Axes of the baked body: x to the person's left, y up, z forward, metres.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

SHAPES = 16
POPULATION = 3000
# beyond this span the height slider gives unreal limb ratios; tall and short people come from scaling
HEIGHT_SLIDER = (0.3, 0.7)
INNER_REGIONS = ("mouth_cavity", "tongue", "eye_cavity.L", "eye_cavity.R", "eye_back.L", "eye_back.R")
EYE_REGIONS = ("eye_front.L", "eye_front.R")
# faces, by their middles, among which the closest one to a point is looked for
CANDIDATE_FACES = 24
PART_BODY, PART_EYE, PART_SKIRT, PART_HAIR = range(4)


def bake_body(path: Path, *, faces: int | None = 9000) -> Path:
    """Write the baked body to `path`. `faces` is the number that the skin is decimated to (None keeps all)."""
    import anny
    import torch

    model = anny.Anny(rig="cmu_mb", topology="anny-full", phenotype_blendshapes="original", phenotypes="all")
    template = _upright(model.template_vertices.numpy().astype(np.float64))
    part_faces = _part_faces(model)
    surface = _surface(template, part_faces, faces)
    weights = np.zeros((len(template), len(model.bone_labels)))
    index = model.vertex_bone_indices.numpy().astype(np.int64)
    np.add.at(weights, (np.arange(len(template))[:, None], index), model.vertex_bone_weights.numpy())
    coefficients = _population(model)
    with torch.no_grad():
        shapes = _upright(model.blendshapes.numpy().astype(np.float64))
        heads = _upright(model.template_bone_heads.numpy().astype(np.float64))
        head_shapes = _upright(model.bone_heads_blendshapes.numpy().astype(np.float64))
    points = surface["points"]
    stacked = np.concatenate([_pick(template, surface), heads, template[points]])
    basis = np.concatenate([_pick(shapes, surface), head_shapes, shapes[:, points]], axis=1)
    mean, components, scores = _principal(stacked, basis, coefficients)
    n, bones = len(surface["corners"]), len(heads)
    skin = _pick(weights, surface)
    top = np.argsort(-skin, axis=1)[:, :4]
    top_weight = np.take_along_axis(skin, top, axis=1)
    arrays = {
        "vertices": mean[:n],
        "vertex_shapes": components[:, :n],
        "bone_heads": mean[n : n + bones],
        "bone_head_shapes": components[:, n : n + bones],
        "scalp": mean[n + bones :],
        "scalp_shapes": components[:, n + bones :],
        "scores": scores,
        "faces": surface["faces"].astype(np.uint16 if n < 65536 else np.int32),
        "part": surface["part"].astype(np.uint8),
        "skin_bone": top.astype(np.uint8),
        "skin_weight": top_weight / top_weight.sum(axis=1, keepdims=True),
    }
    packed = {k: v.astype(np.float32) if v.dtype == np.float64 else v for k, v in arrays.items()}
    packed["bone_names"] = np.array(model.bone_labels)
    packed["bone_parents"] = np.array(model.bone_parents, np.int64)
    return _write(path, packed)


def _upright(points: Float64[ndarray, "... 3"]) -> Float64[ndarray, "... 3"]:
    """From anny's axes (z up, looking to -y) to ours."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def _part_faces(model) -> list[tuple[int, Int64[ndarray, "f 3"]]]:
    import anny
    from anny.face_segmentation import get_face_segmentation_mask

    faces = model.faces.numpy().astype(np.int64)
    inner = get_face_segmentation_mask(model, list(INNER_REGIONS)).numpy()
    eyes = get_face_segmentation_mask(model, list(EYE_REGIONS)).numpy()
    quads: dict[str, list[list[int]]] = {"helper-skirt": [], "helper-hair": []}
    group = ""
    with open(Path(anny.__file__).parent / "data/mpfb2/3dobjs/base.obj") as lines:
        for line in lines:
            if line.startswith("g "):
                group = line[2:].strip()
            elif line.startswith("f ") and group in quads:
                quads[group].append([int(corner.split("/")[0]) - 1 for corner in line.split()[1:]])
    loose = [np.concatenate([np.array(q)[:, [0, 1, 2]], np.array(q)[:, [0, 2, 3]]]) for q in quads.values()]
    return [
        (PART_BODY, faces[~inner & ~eyes]),
        (PART_EYE, faces[eyes]),
        (PART_SKIRT, loose[0]),
        (PART_HAIR, loose[1]),
    ]


def _surface(template: Float64[ndarray, "v 3"], parts: list, faces: int | None) -> dict[str, ndarray]:
    """One mesh of all parts; each vertex is a point on a face of the original: `corners` and `weights` (n, 3)."""
    corners, weights, out_faces, out_part, start = [], [], [], [], 0
    for part, original in parts:
        if part == PART_BODY and faces is not None:
            face, corner, weight = _decimated(template, original, faces)
        else:
            used, flat = np.unique(original, return_inverse=True)
            face, corner = flat.reshape(original.shape), np.repeat(used[:, None], 3, axis=1)
            weight = np.tile([1.0, 0.0, 0.0], (len(used), 1))
        corners.append(corner)
        weights.append(weight)
        out_faces.append(face + start)
        out_part.append(np.full(len(face), part))
        start += len(corner)
    body = np.unique(parts[0][1])
    high = body[np.argsort(-template[body, 1])]
    middle = high[np.abs(template[high, 0]) < 0.03][:8]
    return {
        "corners": np.concatenate(corners),
        "weights": np.concatenate(weights),
        "faces": np.concatenate(out_faces),
        "part": np.concatenate(out_part),
        "points": middle,
    }


def _decimated(
    template: Float64[ndarray, "v 3"], faces: Int64[ndarray, "f 3"], target: int
) -> tuple[Int64[ndarray, "g 3"], Int64[ndarray, "n 3"], Float64[ndarray, "n 3"]]:
    """A coarser mesh; each of its vertices as corners and barycentric weights of the closest original face."""
    import fast_simplification
    from scipy.spatial import KDTree
    from trimesh.triangles import closest_point, points_to_barycentric

    used, flat = np.unique(faces, return_inverse=True)
    triangles = flat.reshape(faces.shape).astype(np.int32)
    small, small_faces, *_ = fast_simplification.simplify(template[used], triangles, target_count=target)
    original = template[faces]  # (f, 3 corners, 3)
    near = KDTree(original.mean(axis=1)).query(small, k=CANDIDATE_FACES)[1]  # (n, k)
    flat_near = near.ravel()
    on_face = closest_point(original[flat_near], np.repeat(small, CANDIDATE_FACES, axis=0))
    away_m = np.linalg.norm(on_face.reshape(len(small), CANDIDATE_FACES, 3) - small[:, None], axis=2)
    best = np.arange(len(small)) * CANDIDATE_FACES + away_m.argmin(axis=1)
    face = flat_near[best]
    return small_faces.astype(np.int64), faces[face], points_to_barycentric(original[face], on_face[best])


def _pick(values: Float64[ndarray, "..."], surface: dict[str, ndarray]) -> Float64[ndarray, "..."]:
    """Per-vertex values (v, k) or (s, v, 3) of the original mesh at the kept points."""
    corner, weight = surface["corners"], surface["weights"]
    if values.ndim == 2:
        return np.einsum("nc,nck->nk", weight, values[corner])
    return np.stack([np.einsum("nc,nck->nk", weight, one[corner]) for one in values])


def _population(model) -> Float64[ndarray, "people 624"]:
    """Blend shape coefficients of sampled adults and a few of school age."""
    import torch

    rng = np.random.default_rng(7)
    n = POPULATION
    phenotype = {
        "gender": np.where(rng.random(n) < 0.5, rng.uniform(0.0, 0.25, n), rng.uniform(0.75, 1.0, n)),
        "age": np.where(rng.random(n) < 0.08, rng.uniform(0.45, 0.6, n), rng.uniform(0.6, 0.95, n)),
        "muscle": np.clip(rng.normal(0.52, 0.18, n), 0.1, 0.95),
        "weight": np.clip(rng.normal(0.52, 0.2, n), 0.1, 1.0),
        "height": rng.uniform(*HEIGHT_SLIDER, n),
        "proportions": np.clip(rng.normal(0.55, 0.2, n), 0.1, 1.0),
        "cupsize": rng.uniform(0.2, 0.8, n),
        "firmness": rng.uniform(0.3, 0.8, n),
    }
    race = rng.dirichlet([0.5, 0.5, 0.5], n)
    phenotype |= {"african": race[:, 0], "asian": race[:, 1], "caucasian": race[:, 2]}
    dtype = model.template_vertices.dtype
    given = {k: torch.as_tensor(v, dtype=dtype) for k, v in phenotype.items()}
    with torch.no_grad():
        return model.get_phenotype_blendshape_coefficients(**given).numpy().astype(np.float64)


def _principal(
    template: Float64[ndarray, "n 3"], basis: Float64[ndarray, "s n 3"], coefficients: Float64[ndarray, "p s"]
) -> tuple[Float64[ndarray, "n 3"], Float64[ndarray, "16 n 3"], Float64[ndarray, "p 16"]]:
    """Mean, principal components (scaled to unit variance) and the population's scores.

    The components live in the span of the blend shapes, so only a (shapes x shapes) problem is solved.
    """
    center = coefficients.mean(axis=0)
    spread = np.linalg.svd(coefficients - center, full_matrices=False)
    flat = basis.reshape(len(basis), -1)
    keep = spread[1] > 1e-6 * spread[1][0]
    reduced = (spread[1][keep, None] * spread[2][keep]) @ flat
    left, value, right = np.linalg.svd(reduced, full_matrices=False)
    scores = (spread[0][:, keep] @ left[:, :SHAPES]) * np.sqrt(len(coefficients))
    components = right[:SHAPES] * value[:SHAPES, None] / np.sqrt(len(coefficients))
    mean = template + (center @ flat).reshape(template.shape)
    return mean, components.reshape(SHAPES, *template.shape), scores


def _write(path: Path, arrays: dict[str, ndarray]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    os.replace(file.name, path)
    return path
