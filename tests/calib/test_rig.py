from dataclasses import replace

import numpy as np
import pytest

from calib.camera import Camera
from calib.rig import Clock, Rig
from tests.calib.made_rig import TWO, make_cameras


def test_a_rig_gives_relative_poses_and_baselines():
    rig = Rig(make_cameras(TWO))
    T = rig.b_from_a("left", "right")
    np.testing.assert_allclose(T @ rig.b_from_a("right", "left"), np.eye(4), atol=1e-12)
    assert rig.baseline_m("left", "right") == pytest.approx(np.linalg.norm([2.0, 0.1, 0.1]))
    np.testing.assert_allclose(rig.b_from_a("left", "left"), np.eye(4), atol=1e-12)


def test_a_rig_without_cameras_or_with_cameras_without_a_place_is_refused():
    with pytest.raises(ValueError, match="at least one camera"):
        Rig({})
    cameras = make_cameras(TWO)
    with pytest.raises(ValueError, match="without a place in the world: left"):
        Rig({**cameras, "left": replace(cameras["left"], cam_from_world=None)})


def test_one_camera_needs_no_place():
    rig = Rig({"only": Camera.from_fov(640, 480, 60.0)})
    with pytest.raises(ValueError, match="no place in the world"):
        rig.b_from_a("only", "only")


def test_a_clock_of_a_camera_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="clocks of cameras that are not there: top"):
        Rig(make_cameras(TWO), {"top": Clock()})
