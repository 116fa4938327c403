import numpy as np
import pytest

from engine.crop import crop_camera, crop_px_from_units, lift
from engine.skeleton import MPII16
from train.augment import Augmentation, augmented, labels_in, plain
from train.datasets.sample import background

QUIET = Augmentation(strength=0.0)


def test_labels_follow_the_pixels_through_every_turn_and_flip(stick_figure):
    misses = 0
    for seed in range(30):
        crop = augmented(stick_figure(seed), 192, np.random.default_rng(seed), QUIET)
        grey = crop.image_bgr[..., 0].astype(int)
        for joint in range(16):
            x, y = np.round(crop_px_from_units(crop.target[joint, :2].astype(float), 192)).astype(int)
            if crop.weight[joint, 0] and 2 <= x < 190 and 2 <= y < 190:
                misses += grey[y - 1 : y + 2, x - 1 : x + 2].max() < 150
    assert misses == 0


def test_a_plain_crop_puts_the_box_at_its_edges(stick_figure):
    crop = plain(stick_figure(1), 96)
    assert np.abs(crop.target[:, :2]).max() == pytest.approx(0.4, abs=0.02)  # the box is 1.25 times the tight one


def test_labels_lift_back_to_the_same_bones_in_every_crop(stick_figure):
    sample = stick_figure(2)
    assert sample.box is not None
    lengths, taught = [], []
    for roll in (0.0, 0.6):
        camera = crop_camera(sample.box, sample.K, 192, roll_rad=roll)
        target, weight = labels_in(camera, sample)
        taught.append(weight[:, 0] > 0)
        joints = lift(camera, target[:, :2].astype(float), target[:, 2].astype(float), root_z_m=1.0)
        lengths.append(np.linalg.norm(joints[:, None] - joints[None], axis=-1))
    both = taught[0] & taught[1]
    assert both.sum() > 10
    ratio = (
        lengths[1][both][:, both][np.triu_indices(both.sum(), 1)]
        / lengths[0][both][:, both][np.triu_indices(both.sum(), 1)]
    )
    assert np.ptp(ratio) < 1e-4  # the root's distance differs between the two cameras, so the scale does


def test_a_flip_exchanges_left_and_right(stick_figure):
    sample = stick_figure(3)
    options = Augmentation(strength=0, shift=0, log_scale=0, roll_deg=0)
    crops = [augmented(sample, 96, np.random.default_rng(seed), options) for seed in range(40)]
    reference = plain(sample, 96).target
    same = [c for c in crops if np.allclose(c.target, reference, atol=1e-4)]
    mirrored = reference[MPII16.mirror] * [-1, 1, 1]
    flipped = [c for c in crops if np.allclose(c.target, mirrored, atol=1e-4)]
    assert same
    assert flipped


def test_a_seed_gives_the_same_crop_again(stick_figure):
    options = Augmentation(strength=1.0)
    a, b = (augmented(stick_figure(4), 96, np.random.default_rng(9), options, pasted=stick_figure(5)) for _ in "ab")
    assert np.array_equal(a.image_bgr, b.image_bgr)
    assert np.array_equal(a.target, b.target)


def test_photos_without_depth_teach_none(stick_figure):
    crop = augmented(stick_figure(6, depth=False), 96, np.random.default_rng(0), QUIET)
    assert not crop.weight[:, 2].any()
    assert not crop.target[:, 2].any()


def test_a_background_teaches_absence_and_no_joint(stick_figure):
    empty = background("room", stick_figure(0).jpeg)
    crop = augmented(empty, 96, np.random.default_rng(0), Augmentation())
    assert crop.presence == 0.0
    assert not crop.weight.any()


def test_joints_outside_the_crop_are_not_taught(stick_figure):
    sample = stick_figure(7)
    for seed in range(20):
        crop = augmented(sample, 96, np.random.default_rng(seed), Augmentation(shift=0.3))
        taught = crop.weight[:, 0] > 0
        assert (np.abs(crop.target[taught, :2]) < 0.5).all()
