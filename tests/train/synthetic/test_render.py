"""The z-buffer against its slow reference."""

import cv2
import numpy as np
import pytest
import torch

from train.synthetic.compose import sample_of
from train.synthetic.reference import rasterise_scalar
from train.synthetic.render import projected, rasterise, vertex_normals

SIZE = 24


def scene(seed, count=30):
    rng = np.random.default_rng(seed)
    points = np.column_stack([rng.uniform(-6, SIZE + 6, (3 * count, 2)), rng.uniform(0.1, 1.0, 3 * count)])
    points[: 3 * (count // 10), 2] *= -1  # some behind the camera
    return points, np.arange(3 * count).reshape(-1, 3)


def maps(seen, images=1):
    """Face and depth of every pixel."""
    face, z = np.full(images * SIZE * SIZE, -1), np.full(images * SIZE * SIZE, np.inf)
    face[seen.pixel.numpy()] = seen.face.numpy()
    z[seen.pixel.numpy()] = seen.z.numpy()
    return face, z


def drawn(points, faces, **options):
    return rasterise(torch.from_numpy(points).float(), torch.from_numpy(faces), width=SIZE, height=SIZE, **options)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("two_sided", [False, True])
def test_every_pixel_shows_the_face_that_the_reference_says(seed, two_sided):
    points, faces = scene(seed)
    expected, depth = rasterise_scalar(points, faces, width=SIZE, height=SIZE, two_sided=two_sided)
    face, z = maps(drawn(points, faces, two_sided=torch.full((len(faces),), two_sided)))
    same = face == expected.ravel()
    assert same.mean() > 0.995  # float32 decides otherwise only on an edge
    np.testing.assert_allclose(z[same], depth.ravel()[same], rtol=1e-4)


def test_a_mesh_of_small_faces_on_whole_pixels_has_neither_cracks_nor_overlaps():
    """Corners and edges on pixel centres, level and upright edges, faces of less than a pixel."""
    step = np.arange(0, SIZE, 0.5)
    x, y = np.meshgrid(step, step)
    points = np.column_stack([x.ravel(), y.ravel(), np.full(x.size, 0.5)])
    n = len(step)
    corner = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    faces = np.concatenate(
        [np.stack([corner, corner + n, corner + 1], 1), np.stack([corner + n, corner + n + 1, corner + 1], 1)]
    )
    seen = drawn(points, faces)
    assert len(seen.pixel) == len(np.unique(seen.pixel)) == (SIZE - 1 + 1) ** 2
    torch.testing.assert_close(seen.z, torch.full_like(seen.z, 2.0))


def test_pictures_drawn_together_are_those_drawn_alone():
    scenes = [scene(seed) for seed in range(3)]
    both = torch.ones(30, dtype=torch.bool)
    points = np.concatenate([p for p, _ in scenes])
    faces = np.concatenate([f + 90 * i for i, (_, f) in enumerate(scenes)])
    image = torch.arange(3).repeat_interleave(30)
    face, z = maps(drawn(points, faces, images=3, image_of_face=image, two_sided=both.repeat(3)), images=3)
    for i, (p, f) in enumerate(scenes):
        alone, depth = maps(drawn(p, f, two_sided=both))
        part = slice(i * SIZE * SIZE, (i + 1) * SIZE * SIZE)
        np.testing.assert_array_equal(face[part], np.where(alone < 0, -1, alone + 30 * i))
        np.testing.assert_array_equal(z[part], depth)


def test_weights_interpolate_places_in_space():
    points, faces = scene(7)
    cam = torch.from_numpy(points).float()
    seen = drawn(points, faces, two_sided=torch.ones(len(faces), dtype=torch.bool))
    # perspective-correct: x / z is linear on the screen
    over_z = torch.cat([cam[:, :2] / cam[:, 2:], 1 / cam[:, 2:]], dim=1)
    place = seen.of(torch.from_numpy(faces), over_z)
    x, y = seen.pixel % SIZE, seen.pixel // SIZE
    torch.testing.assert_close(place[:, 0] / place[:, 2], x.float(), atol=1e-2, rtol=0)
    torch.testing.assert_close(place[:, 1] / place[:, 2], y.float(), atol=1e-2, rtol=0)


def test_a_point_on_the_axis_lands_on_the_principal_point():
    K = torch.tensor([[100.0, 0, 31.5], [0, 100.0, 23.5], [0, 0, 1]])
    seen = projected(torch.tensor([[0.0, 0, 2.0], [1.0, 0, 2.0]])[None], K[None])[0]
    torch.testing.assert_close(seen, torch.tensor([[31.5, 23.5, 0.5], [81.5, 23.5, 0.5]]))


def test_a_lens_bends_as_opencv_does_and_drops_what_it_would_fold_back():
    rng = np.random.default_rng(2)
    points = np.column_stack([rng.uniform(-1, 1, (40, 2)), rng.uniform(1.5, 4, 40)])
    K = np.array([[400.0, 0, 310], [0, 410, 250], [0, 0, 1]])
    dist = np.array([-0.25, 0.08, 0.001, -0.002, -0.01])
    expected = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, dist)[0][:, 0]
    tensors = (torch.from_numpy(m).float()[None] for m in (points, K, dist))
    seen = projected(next(tensors), next(tensors), dist=next(tensors))[0].numpy()
    np.testing.assert_allclose(seen[:, :2], expected, atol=0.01)
    assert (seen[:, 2] > 0).all()
    far = torch.tensor([[[8.0, 0.0, 1.0]]])
    folded = projected(far, torch.eye(3)[None], dist=torch.tensor([[-0.25, 0.0, 0.0, 0.0, 0.0]]))
    assert folded[0, 0, 2] == -1


def test_both_samples_of_a_pixel_lie_on_whole_numbers_of_the_turned_picture():
    x, y = torch.meshgrid(torch.arange(7.0), torch.arange(5.0), indexing="xy")
    both = torch.cat([sample_of(x - 0.25, y - 0.25, 7, 5), sample_of(x + 0.25, y + 0.25, 7, 5)]).ravel()
    assert len(both.unique()) == 2 * 7 * 5
    assert both.min() >= 0
    assert both.max() < (7 + 5) * (7 + 5 - 1)


def test_normals_of_a_sphere_point_outward():
    points = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, -1]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1], [5, 2, 1], [5, 3, 2], [5, 4, 3], [5, 1, 4]])
    both = torch.stack([points, points * 2])
    torch.testing.assert_close(vertex_normals(both, faces), points.expand(2, 6, 3), atol=1e-6, rtol=0)
