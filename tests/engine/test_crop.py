"""The crop as a camera: round trips, exact lifting, half pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.crop import (
    Box,
    box_around,
    camera_matrix,
    crop_camera,
    crop_labels,
    crop_px_from_units,
    cut,
    lift,
    units_from_crop_px,
)

WIDTH, HEIGHT = 1280, 720
boxes = st.builds(
    lambda x, y, side: Box(np.array([x, y]), side), st.floats(0, WIDTH), st.floats(0, HEIGHT), st.floats(40, 900)
)
fields = st.floats(30, 100)
rolls = st.floats(-0.8, 0.8)


@settings(max_examples=60, deadline=None)
@given(boxes, fields, rolls, st.integers(0, 2**31))
def test_crop_to_image_to_crop_is_the_identity(box, fov_deg, roll, seed):
    camera = crop_camera(box, camera_matrix(WIDTH, HEIGHT, fov_deg=fov_deg), 192, roll_rad=roll)
    points = np.random.default_rng(seed).uniform(-0.5, 191.5, (20, 2))
    np.testing.assert_allclose(camera.to_crop(camera.to_px(points)), points, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(boxes, fields, rolls, st.integers(0, 2**31))
def test_lifting_returns_the_exact_joints(box, fov_deg, roll, seed):
    K = camera_matrix(WIDTH, HEIGHT, fov_deg=fov_deg)
    camera = crop_camera(box, K, 256, roll_rad=roll)
    rng = np.random.default_rng(seed)
    root = np.linalg.solve(K, np.append(box.center_px, 1.0)) * rng.uniform(1.5, 9.0)
    joints_m = root + rng.normal(0, 0.25, (16, 3))
    units, depth = crop_labels(camera, joints_m, root=6)
    root_z_m = float((camera.R_crop_from_cam @ joints_m[6])[2])
    assert depth[6] == 0
    np.testing.assert_allclose(lift(camera, units, depth, root_z_m=root_z_m), joints_m, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(boxes, fields)
def test_the_box_keeps_its_centre_and_its_scale_there(box, fov_deg):
    camera = crop_camera(box, camera_matrix(WIDTH, HEIGHT, fov_deg=fov_deg), 192)
    middle = (192 - 1) / 2
    near = np.array([[middle, middle], [middle + 1e-3, middle], [middle, middle + 1e-3]])
    at = camera.to_px(near)
    np.testing.assert_allclose(at[0], box.center_px, atol=1e-6)
    area = abs(np.linalg.det(at[1:] - at[0])) / 1e-6
    assert np.sqrt(area) == pytest.approx(box.side_px / 192, rel=1e-4)


def test_a_rotation_turns_the_crop_and_nothing_else():
    K = camera_matrix(WIDTH, HEIGHT, fov_deg=70)
    camera = crop_camera(Box(np.array([1000.0, 120.0]), 300.0), K, 192)
    R = camera.R_crop_from_cam
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(R) == pytest.approx(1.0)


def test_crop_units_run_from_edge_to_edge_of_pixels():
    corners = np.array([[-0.5, -0.5], [191.5, 191.5], [95.5, 95.5]])
    np.testing.assert_allclose(units_from_crop_px(corners, 192), [[-0.5, -0.5], [0.5, 0.5], [0, 0]])
    np.testing.assert_allclose(crop_px_from_units(units_from_crop_px(corners, 192), 192), corners)


@pytest.mark.parametrize("side_px", [60.0, 150.0, 400.0, 640.0])
def test_a_dot_lands_where_the_camera_says(side_px):
    """Enlarged, near one to one, and averaged down: within a fraction of a crop pixel."""
    K, box = camera_matrix(WIDTH, HEIGHT, fov_deg=60), Box(np.array([800.0, 300.0]), side_px)
    camera = crop_camera(box, K, 192)
    dot_px = np.array([[800 + 0.2 * side_px, 300 - 0.1 * side_px]])
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    blur_px = max(side_px / 40, 1.5)
    blob = 120 * np.exp(-((u - dot_px[0, 0]) ** 2 + (v - dot_px[0, 1]) ** 2) / (2 * blur_px**2))
    image = np.repeat((127 + blob).astype(np.uint8)[:, :, None], 3, axis=2)  # on the grey that lies outside
    seen = cut(image, camera)[..., 0].astype(float) - 127
    rows, columns = np.mgrid[:192, :192]
    found = np.array([(seen * columns).sum(), (seen * rows).sum()]) / seen.sum()
    np.testing.assert_allclose(found, camera.to_crop(dot_px)[0], atol=0.1)


def test_outside_the_picture_the_crop_is_grey():
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    seen = cut(image, crop_camera(Box(np.array([0.0, 360.0]), 400.0), camera_matrix(WIDTH, HEIGHT, fov_deg=60), 96))
    assert (seen[:, :40] == 127).all()
    assert (seen[:, 56:] == 255).all()


def test_a_box_around_points_has_a_margin_on_the_longer_side():
    box = box_around(np.array([[10.0, 10.0], [30.0, 110.0]]))
    np.testing.assert_allclose(box.center_px, [20, 60])
    assert box.side_px == pytest.approx(125)


@pytest.mark.parametrize(("center", "side"), [([0, 0], 0.0), ([0, 0], -3.0), ([np.nan, 0], 5.0)])
def test_a_box_without_extent_or_place_is_refused(center, side):
    with pytest.raises(ValueError, match="a box needs"):
        Box(np.array(center, float), side)
