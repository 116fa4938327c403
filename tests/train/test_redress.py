"""Where the person of a take is, and the same picture with other clothes."""

import cv2
import numpy as np
import pytest

import train.redress
from engine.skeleton import HEAD_TOP, L_ANKLE, L_HIP, L_SHOULDER, L_WRIST, MPII16, ROOT
from tests.realtime.takes.walked_take import Scene
from tests.train.true_labels import labelled_take
from train.augment import Augmentation, augmented
from train.datasets.sample import background
from train.datasets.takes import read_take
from train.redress import person_mask, redressed
from train.synthetic.outfit import HAIR, OWN, SHIRT, changed, random_outfit
from train.synthetic.shards import encode_jpeg

SHAPE = (200, 160)
KNOWN = np.ones(16, bool)
SHIRT_BGR, TROUSERS_BGR, SKIN_BGR = (60, 60, 200), (150, 60, 30), (150, 180, 230)


def standing_px():
    """Somebody who faces the camera with arms a little off the body, in a picture of SHAPE."""
    places = {
        "r_ankle": (66, 180), "r_knee": (66, 145), "r_hip": (68, 110), "l_hip": (92, 110), "l_knee": (94, 145),
        "l_ankle": (94, 180), "pelvis": (80, 108), "thorax": (80, 56), "upper_neck": (80, 44), "head_top": (80, 16),
        "r_wrist": (38, 114), "r_elbow": (46, 86), "r_shoulder": (60, 58), "l_shoulder": (100, 58),
        "l_elbow": (114, 86), "l_wrist": (122, 114),
    }  # fmt: skip
    assert set(places) == set(MPII16.names), MPII16.names
    return np.array([places[name] for name in MPII16.names], float)


def room():
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(90, 150, (20, 16, 3), dtype=np.uint8), SHAPE[::-1], interpolation=cv2.INTER_CUBIC)


def picture(noise=2.0, gain=1.0):
    """The room with the person in it, and where the person is."""
    px, image, mask = standing_px(), room(), np.zeros(SHAPE, np.uint8)
    legs = {"r_ankle", "r_knee", "l_ankle", "l_knee"}
    for child, parent in MPII16.bones:
        names = {MPII16.names[child], MPII16.names[parent]}
        colour = TROUSERS_BGR if names & legs else SHIRT_BGR
        colour = SKIN_BGR if names & {"head_top", "upper_neck"} else colour
        ends = [tuple(np.round(px[j]).astype(int).tolist()) for j in (child, parent)]
        width = 22 if "head_top" in names else 12
        cv2.line(image, *ends, colour, width)
        cv2.line(mask, *ends, 255, width)
    cv2.fillConvexPoly(image, px[[12, 13, 3, 2]].astype(np.int32), SHIRT_BGR)
    cv2.fillConvexPoly(mask, px[[12, 13, 3, 2]].astype(np.int32), 255)
    shade = np.linspace(0.7, 1.2, SHAPE[1])[None, :, None]  # lit from one side
    image = np.where(mask[..., None] > 0, image * shade, image) * gain
    image += np.random.default_rng(1).normal(0, noise, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), mask > 0


@pytest.mark.parametrize(("noise", "gain"), [(2.0, 1.0), (6.0, 1.0), (2.0, 0.85), (2.0, 1.15)])
def test_the_person_is_found_before_the_room_also_where_noise_and_exposure_differ(noise, gain):
    image, true = picture(noise, gain)
    found = person_mask(image, room(), standing_px(), KNOWN) > 0
    assert (found & true).sum() > 0.85 * true.sum()
    assert (found & ~true).sum() < 0.03 * true.sum()


def test_where_nobody_stands_or_the_trunk_is_not_known_there_is_no_mask():
    assert person_mask(room(), room(), standing_px(), KNOWN) is None
    without = KNOWN.copy()
    without[L_SHOULDER] = False
    assert person_mask(picture()[0], room(), standing_px(), without) is None


def test_somebody_else_far_from_the_bones_is_not_the_person():
    image, true = picture()
    image[20:60, 2:20] = (0, 0, 0)
    found = person_mask(image, room(), standing_px(), KNOWN) > 0
    assert not found[20:60, 2:14].any()
    assert (found & true).sum() > 0.85 * true.sum()


def test_clothes_change_and_room_head_and_hands_do_not():
    image, true = picture(noise=0.0)
    alpha = true.astype(np.uint8) * 255
    px = standing_px()
    shirts = []
    for seed in range(12):
        new = redressed(image, alpha, px, KNOWN, np.random.default_rng(seed))
        assert np.array_equal(new[~true], image[~true])
        head = tuple(((px[HEAD_TOP] + px[8]) / 2).astype(int)[::-1])
        assert np.array_equal(new[head], image[head])
        shirts.append(new[80, 80].astype(int))
    changed_ones = [np.abs(colour - image[80, 80]).max() > 20 for colour in shirts]
    assert sum(changed_ones) >= 8
    assert np.ptp(shirts, axis=0).max() > 100


def test_light_and_shade_stay(monkeypatch):
    monkeypatch.setattr(train.redress, "PATTERNED", 0.0)
    image, true = picture(noise=0.0)
    trunk = np.zeros_like(true)
    trunk[66:90, 66:95] = True
    alike = []
    for seed in range(10):
        new = redressed(image, true.astype(np.uint8) * 255, standing_px(), KNOWN, np.random.default_rng(seed))
        before, after = image.mean(axis=2)[trunk], new.mean(axis=2)[trunk]
        if np.ptp(after) > 3:
            alike.append(np.corrcoef(before, after)[0, 1])
    assert np.median(alike) > 0.9


def test_too_little_of_a_person_stays_as_it_is():
    image, true = picture()
    few = np.zeros(SHAPE, np.uint8)
    few[80:85, 80:85] = 255
    assert redressed(image, few, standing_px(), KNOWN, np.random.default_rng(0)) is image
    without = KNOWN.copy()
    without[[L_HIP, L_SHOULDER]] = False
    assert redressed(image, true.astype(np.uint8) * 255, standing_px(), without, np.random.default_rng(0)) is image


def test_a_missing_hand_or_foot_is_no_trouble():
    image, true = picture()
    without = KNOWN.copy()
    without[[L_WRIST, L_ANKLE]] = False
    new = redressed(image, true.astype(np.uint8) * 255, standing_px(), without, np.random.default_rng(3))
    assert not np.array_equal(new, image)


# --- of a take --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = labelled_take(Scene(seconds=3.0), tmp_path_factory.mktemp("takes") / "t")
    first = read_take(folder, step=lambda *_: None)
    again = read_take(folder, step=lambda *_: None)  # from the stored pieces
    assert [s.person for s in first] == [s.person for s in again]
    return first


def test_a_takes_samples_know_where_the_person_is(samples):
    known = [sample for sample in samples if sample.person is not None]
    assert len(known) > len(samples) / 2
    for sample in known[::5]:
        image = sample.image_bgr()
        mask = sample.person_mask(image.shape[:2])
        x, y = np.round(sample.joints_px[ROOT]).astype(int)
        assert mask[y - 2 : y + 3, x - 2 : x + 3].max() > 0
        assert mask.mean() < 128
        half = sample.person_mask((image.shape[0] // 2, image.shape[1] // 2))
        assert half.shape == (image.shape[0] // 2, image.shape[1] // 2)


def test_only_who_is_known_gets_other_clothes_and_only_where_it_is_wanted(samples):
    sample = next(s for s in samples if s.person is not None)
    plain, wanted = Augmentation(strength=0.0, occlusion=0.0), Augmentation(strength=0.0, occlusion=0.0, redress=1.0)
    one, same, other = (
        augmented(sample, 64, np.random.default_rng(seed), options)
        for seed, options in ((5, plain), (5, plain), (5, wanted))
    )
    assert np.array_equal(one.image_bgr, same.image_bgr)
    assert not np.array_equal(one.image_bgr, other.image_bgr)
    nobody = background("room", encode_jpeg(room()))
    a, b = (augmented(nobody, 64, np.random.default_rng(5), options) for options in (plain, wanted))
    assert np.array_equal(a.image_bgr, b.image_bgr)


def test_other_clothes_are_the_same_persons():
    outfit = random_outfit(np.random.default_rng(1))
    other = changed(outfit, np.random.default_rng(2))
    assert all(np.array_equal(getattr(other, name), getattr(outfit, name)) for name in OWN)
    assert other.fabrics[HAIR] is outfit.fabrics[HAIR]
    assert other.fabrics[SHIRT] is not outfit.fabrics[SHIRT]
