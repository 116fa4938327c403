"""What a teacher is shown: turned pictures come back to where they were."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.skeleton import L_HIP, L_SHOULDER, MPII16, R_ANKLE, R_HIP, R_SHOULDER, THORAX, UPPER_NECK
from tests.train.teachers.fake_network import LEFT, MIDDLE, RIGHT, DotNetwork
from train.teachers.blazepose import look
from train.teachers.region import FAR, TRUNK, Region, region_around


def joints(**places):
    px = np.full((len(MPII16), 2), np.nan)
    for name, place in places.items():
        px[MPII16.names.index(name)] = place
    return px


@given(st.floats(-np.pi, np.pi), st.floats(40, 900), st.floats(0, 400), st.floats(0, 400))
def test_points_of_the_crop_come_back_to_the_picture(angle, side_px, x, y):
    region = Region(np.array([x, y]), np.array([np.sin(angle), -np.cos(angle)]), side_px)
    np.testing.assert_allclose(region.to_picture(np.array([[127.5, 127.5]]), 256), [[x, y]], atol=1e-9)
    above = region.to_picture(np.array([[127.5, -0.5]]), 256)[0]  # the middle of the upper edge
    np.testing.assert_allclose(above, (x, y) + region.up * side_px / 2, atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(region.crop_from_picture), 1.0)


def test_a_person_is_shown_upright_around_the_hips_and_whole():
    lying = joints(r_hip=(100, 110), l_hip=(100, 90), r_shoulder=(200, 112), l_shoulder=(200, 88), r_ankle=(-180, 100))
    region = region_around(lying)
    assert region is not None
    np.testing.assert_allclose(region.center_px, (100, 100))
    np.testing.assert_allclose(region.up, (1, 0), atol=1e-9)
    assert region.side_px == pytest.approx(FAR * 280)
    near = lying.copy()
    near[R_ANKLE] = (80, 100)  # sits: the trunk says how large somebody is
    assert region_around(near).side_px == pytest.approx(FAR * TRUNK * 100)
    leaning = near.copy()
    leaning[THORAX] = (190, 150)  # rather than the middle of the shoulders
    assert region_around(leaning).up[1] > 0.4


@pytest.mark.parametrize("pair", [(R_HIP, L_HIP), (R_SHOULDER, L_SHOULDER)])
def test_without_hips_or_the_upper_trunk_there_is_none_and_one_of_them_is_enough(pair):
    px = joints(r_hip=(90, 200), l_hip=(110, 200), r_shoulder=(80, 100), l_shoulder=(120, 100))
    px[pair[0]] = np.nan
    assert region_around(px) is not None
    px[pair[1]] = np.nan
    assert region_around(px) is None
    px[UPPER_NECK] = (100, 90)
    assert (region_around(px) is not None) == (R_HIP not in pair)


@pytest.mark.parametrize("angle", [0.0, 0.6, -1.9, 3.1])
@pytest.mark.parametrize("side_px", [180.0, 900.0])
def test_what_the_network_sees_is_where_it_is_in_the_picture(angle, side_px):
    """Dots in a turned region, small and large: places, and metres in the picture's axes."""
    scale = side_px / 256
    image = np.zeros((700, 800, 3), np.uint8)
    dots = {LEFT: (430.0, 330.0), RIGHT: (350.0, 370.0), MIDDLE: (400.0, 310.0)}
    for colour, (x, y) in dots.items():
        cv2.circle(image, (round(x), round(y)), round(4 * scale), colour, -1)
    region = Region(np.array([390.0, 345.0]), np.array([np.sin(angle), -np.cos(angle)]), side_px)
    points = look(DotNetwork(), image, region)
    for row, colour in ((11, LEFT), (24, RIGHT), (0, MIDDLE)):
        np.testing.assert_allclose(points.px[row], dots[colour], atol=0.3 * scale)
        away_m = (np.array(dots[colour]) - region.center_px) / scale / 100
        np.testing.assert_allclose(points.world_m[row, :2], away_m, atol=0.01)
    assert points.apart_px.max() < 0.5 * scale
    # depth by the place in the crop is turned round in the mirror image
    crop_x = 127.5 + (region.crop_from_picture @ (np.array(dots[LEFT]) - region.center_px))[0] / scale
    assert points.apart_m[11] == pytest.approx(abs(2 * crop_x - 255) / 1000, abs=2e-3)
    assert points.present
    assert not look(DotNetwork(presence=0.2), image, region).present
