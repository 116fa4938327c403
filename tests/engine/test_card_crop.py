"""The crop of the card, on the CPU, against `engine.crop.cut`."""

import cv2
import numpy as np
import pytest
import torch

from engine.backends.agreement import voxels_apart
from engine.backends.card_crop import crop_numbers, cut_on_card, grid_px
from engine.crop import Box, camera_matrix, crop_camera, cut
from engine.weights import load_weights

# grey levels on pictures of people; the frame's region is not always a whole number of shrunk pixels, and the card
# then divides a pixel on their border less finely
MEAN_GREY_MAX = 0.7
ONE_IN_A_THOUSAND_GREY_MAX = 24


def both(image_bgr, box, size_px, fov_deg=60):
    height, width = image_bgr.shape[:2]
    K = camera_matrix(width, height, fov_deg=fov_deg)
    numbers = torch.from_numpy(crop_numbers(box, K, size_px, (width, height)))[None]
    ours = cut_on_card(torch.from_numpy(image_bgr), numbers, size_px=size_px)
    ours_bgr = ours[0].permute(1, 2, 0).flip(2).numpy()
    return ours_bgr, cut(image_bgr, crop_camera(box, K, size_px)).astype(np.float32)


@pytest.fixture(scope="module")
def large(person):
    return cv2.resize(person, (1920, 1080), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("size_px", [64, 192])
@pytest.mark.parametrize("side", [0.3, 1.0, 1.4, 1.9])
@pytest.mark.parametrize("off", [(0.0, 0.0), (0.3, -0.2), (-0.5, 0.5)])
def test_without_shrinking_the_crops_are_the_same_but_for_rounding(person, size_px, side, off):
    box = Box(np.array([320 + off[0] * 640, 240 + off[1] * 480]), side * size_px)
    ours, theirs = both(person, box, size_px)
    assert np.abs(ours - theirs).max() <= 1
    assert np.abs(ours - theirs).mean() < 0.01


@pytest.mark.parametrize("side_px", [400.0, 620.0, 800.0, 1000.0, 1500.0])
@pytest.mark.parametrize("off", [(0.0, 0.0), (0.2, -0.2), (-0.5, 0.5)])
def test_shrinking_averages_as_on_the_cpu(large, side_px, off):
    ours, theirs = both(large, Box(np.array([960 + off[0] * 1920, 540 + off[1] * 1080]), side_px), 192)
    assert np.abs(ours - theirs).mean() < MEAN_GREY_MAX
    assert np.quantile(np.abs(ours - theirs), 0.999) <= ONE_IN_A_THOUSAND_GREY_MAX


def test_shrinking_a_fine_pattern_does_not_alias():
    stripes = np.zeros((1080, 1920, 3), np.uint8)
    stripes[:, ::2] = 255
    ours, _ = both(stripes, Box(np.array([960.0, 540.0]), 192 * 4.0), 192)
    assert np.abs(ours - 127.5).max() < 3


def test_outside_of_the_frame_it_is_grey(person):
    ours, _ = both(person, Box(np.array([-900.0, -900.0]), 300.0), 64)
    assert (ours == 127).all()


@pytest.mark.parametrize("fov_deg", [100.0, 140.0])
def test_a_box_far_off_the_axis_of_a_wide_lens_fits_into_its_room(large, fov_deg):
    box = Box(np.array([1800.0, 1000.0]), 370.0)
    ours, theirs = both(large, box, 192, fov_deg=fov_deg)
    numbers = crop_numbers(box, camera_matrix(1920, 1080, fov_deg=fov_deg), 192, (1920, 1080))
    assert numbers[13:15].max() <= grid_px(192)
    assert np.abs(ours - theirs).mean() < 2


def test_several_boxes_are_cut_as_each_alone(person):
    K = camera_matrix(640, 480, fov_deg=60)
    boxes = [Box(np.array([200.0, 200.0]), 100.0), Box(np.array([400.0, 300.0]), 470.0)]
    numbers = torch.from_numpy(np.stack([crop_numbers(box, K, 64, (640, 480)) for box in boxes]))
    together = cut_on_card(torch.from_numpy(person), numbers, size_px=64)
    for i in range(2):
        alone = cut_on_card(torch.from_numpy(person), numbers[i : i + 1], size_px=64)
        torch.testing.assert_close(together[i : i + 1], alone, atol=0, rtol=0)


def test_joints_of_shrunk_crops_stay_within_a_fraction_of_a_voxel(large):
    """What the difference of the crops means for the network."""
    weights = load_weights("lite")
    decoded = weights.decoded()
    crops = [both(large, Box(np.array([960.0, 585.0]), side_px), 192) for side_px in (900.0, 960.0, 1020.0, 1130.0)]
    joints = []
    for which in (0, 1):
        bgr = torch.from_numpy(np.stack([pair[which] for pair in crops]))
        with torch.inference_mode():
            joints.append(decoded(bgr.permute(0, 3, 1, 2).flip(1))[0].numpy())
    apart = voxels_apart(joints[0], joints[1], weights.architecture)
    assert np.median(apart) < 0.05
    assert np.quantile(apart, 0.95) < 0.5
