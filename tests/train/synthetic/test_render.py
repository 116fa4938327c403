"""The z-buffer against its slow reference."""

import numpy as np
import pytest
import torch

from train.synthetic.reference import rasterise_scalar
from train.synthetic.render import projected, rasterise, vertex_normals

SIZE = 24


def scene(seed, count=30):
    rng = np.random.default_rng(seed)
    points = np.column_stack([rng.uniform(-6, SIZE + 6, (3 * count, 2)), rng.uniform(0.1, 1.0, 3 * count)])
    points[: 3 * (count // 10), 2] *= -1  # some behind the camera
    return points, np.arange(3 * count).reshape(-1, 3)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("two_sided", [False, True])
def test_every_pixel_shows_the_face_that_the_reference_says(seed, two_sided):
    points, faces = scene(seed)
    expected, depth = rasterise_scalar(points, faces, width=SIZE, height=SIZE, two_sided=two_sided)
    both = torch.full((len(faces),), two_sided)
    seen = rasterise(torch.from_numpy(points).float(), torch.from_numpy(faces), width=SIZE, height=SIZE, two_sided=both)
    face = np.full(SIZE * SIZE, -1)
    face[seen.pixel.numpy()] = seen.face.numpy()
    z = np.full(SIZE * SIZE, np.inf)
    z[seen.pixel.numpy()] = seen.z.numpy()
    same = face == expected.ravel()
    assert same.mean() > 0.995  # float32 decides otherwise only on an edge
    np.testing.assert_allclose(z[same], depth.ravel()[same], rtol=1e-4)


def test_weights_interpolate_places_in_space():
    points, faces = scene(7)
    cam = torch.from_numpy(points).float()
    seen = rasterise(
        cam, torch.from_numpy(faces), width=SIZE, height=SIZE, two_sided=torch.ones(len(faces), dtype=bool)
    )
    # perspective-correct: x / z is linear on the screen
    over_z = torch.cat([cam[:, :2] / cam[:, 2:], 1 / cam[:, 2:]], dim=1)
    place = seen.of(torch.from_numpy(faces), over_z)
    x, y = seen.pixel % SIZE, seen.pixel // SIZE
    torch.testing.assert_close(place[:, 0] / place[:, 2], x.float(), atol=1e-2, rtol=0)
    torch.testing.assert_close(place[:, 1] / place[:, 2], y.float(), atol=1e-2, rtol=0)


def test_a_point_on_the_axis_lands_on_the_principal_point():
    K = torch.tensor([[100.0, 0, 31.5], [0, 100.0, 23.5], [0, 0, 1]])
    seen = projected(torch.tensor([[0.0, 0, 2.0], [1.0, 0, 2.0]]), K)
    torch.testing.assert_close(seen, torch.tensor([[31.5, 23.5, 0.5], [81.5, 23.5, 0.5]]))


def test_normals_of_a_sphere_point_outward(tiny_body):
    points = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, -1]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1], [5, 2, 1], [5, 3, 2], [5, 4, 3], [5, 1, 4]])
    torch.testing.assert_close(vertex_normals(points, faces), points, atol=1e-6, rtol=0)
