import numpy as np
import pytest

from calib.camera import Camera


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280)])
def test_a_field_of_view_spans_the_longer_side(size):
    camera = Camera.from_fov(*size, 60.0)
    assert camera.assumed
    assert camera.fov_deg == pytest.approx(60.0)
    edge = np.linalg.solve(camera.K, [*(camera.K[:2, 2] - (max(size) / 2, 0)), 1.0])
    assert np.rad2deg(np.arctan(-edge[0])) == pytest.approx(30.0)
    np.testing.assert_allclose(camera.K[:2, 2], ((size[0] - 1) / 2, (size[1] - 1) / 2))


@pytest.mark.parametrize("fov", [0.0, 180.0, float("nan")])
def test_an_impossible_field_of_view_is_refused(fov):
    with pytest.raises(ValueError, match="field of view"):
        Camera.from_fov(640, 480, fov)


def test_a_camera_without_a_focal_length_is_refused():
    with pytest.raises(ValueError, match="positive focal lengths"):
        Camera(640, 480, np.zeros((3, 3)))


def bent():
    return Camera(1280, 720, np.array([[900.0, 0, 655], [0, 905, 350], [0, 0, 1]]), np.array([-0.2, 0.05, 0, 0, 0]))


def test_undistorted_pixels_are_those_of_a_pinhole():
    camera = bent()
    points_m = np.random.default_rng(0).uniform((-1, -0.5, 2), (1, 0.5, 4), (30, 3))
    seen = camera.undistorted(camera.project(points_m))
    straight = points_m @ camera.K.T
    np.testing.assert_allclose(seen, straight[:, :2] / straight[:, 2:], atol=1e-6)


def test_a_lens_at_half_the_size_sees_the_same_rays():
    camera = bent()
    half = camera.scaled_to(640, 360)
    px = np.random.default_rng(1).uniform((0, 0), (1279, 719), (20, 2))
    np.testing.assert_allclose(half.rays((px + 0.5) / 2 - 0.5), camera.rays(px), atol=1e-9)


def test_a_lens_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="640x480 is no scaled 1280x720"):
        bent().scaled_to(640, 480)
