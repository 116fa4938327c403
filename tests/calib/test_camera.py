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
