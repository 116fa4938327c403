"""Bodies, poses and motion: proportions that hold, sides that are right, directions that are meant."""

import numpy as np
import pytest

from engine.skeleton import (
    BODY25,
    EXTREMITIES,
    HEAD_TOP,
    L_ANKLE,
    L_EAR,
    L_ELBOW,
    L_HAND,
    L_HEEL,
    L_HIP,
    L_KNEE,
    L_SHOULDER,
    L_TOE,
    L_WRIST,
    MPII16,
    NOSE,
    R_ANKLE,
    R_EAR,
    R_ELBOW,
    R_HAND,
    R_HEEL,
    R_HIP,
    R_SHOULDER,
    R_TOE,
    R_WRIST,
)
from train.synthetic.archetypes import WEIGHTS, random_archetype
from train.synthetic.motion import squatting, standing, walking, waving
from train.synthetic.pose import Angles, Limb, between, rotation
from train.synthetic.retarget import retargeted


@pytest.fixture(scope="module")
def somebody(tiny_body):
    return tiny_body.someone(np.random.default_rng(3))


def joints(person, angles):
    return person.posed(angles.pose()).joints


def test_left_is_at_positive_x_of_a_person_who_looks_to_positive_z(somebody):
    at = joints(somebody, standing())
    assert at[L_SHOULDER, 0] > 0 > at[R_SHOULDER, 0]
    assert at[L_HIP, 0] > 0 > at[R_HIP, 0]
    assert at[HEAD_TOP, 1] > at[L_SHOULDER, 1] > at[L_HIP, 1] > at[L_KNEE, 1] > at[L_ANKLE, 1]
    assert np.abs(at[L_HIP] + at[R_HIP]).max() < 1e-9  # the pelvis is the origin


def test_positive_angles_bend_as_bodies_do(somebody):
    rest = joints(somebody, Angles())
    assert joints(somebody, Angles(l_arm=Limb(flex=90)))[L_ELBOW, 2] > rest[L_ELBOW, 2] + 0.15
    assert joints(somebody, Angles(l_arm=Limb(abduct=80)))[L_ELBOW, 0] > rest[L_ELBOW, 0] + 0.1
    assert joints(somebody, Angles(l_arm=Limb(bend=90)))[L_WRIST, 2] > rest[L_WRIST, 2] + 0.1
    assert joints(somebody, Angles(l_leg=Limb(flex=90)))[L_KNEE, 2] > rest[L_KNEE, 2] + 0.2
    assert joints(somebody, Angles(l_leg=Limb(bend=90)))[L_ANKLE, 2] < rest[L_ANKLE, 2] - 0.2
    assert joints(somebody, Angles(pitch=40))[HEAD_TOP, 2] > rest[HEAD_TOP, 2] + 0.2


def test_a_mirrored_pose_mirrors_the_joints_of_a_symmetric_person(tiny_body):
    person = tiny_body.person(np.zeros(16))
    for seed in range(5):
        pose = random_archetype(np.random.default_rng(seed))
        plain, mirrored = person.posed(pose).joints, person.posed(pose.mirrored()).joints
        np.testing.assert_allclose(mirrored, plain[BODY25.mirror] * (-1, 1, 1), atol=0.02)
        np.testing.assert_allclose(pose.mirrored().mirrored().R, pose.R, atol=1e-12)


def test_bones_keep_their_lengths_in_every_pose(somebody):
    limbs = [(a, b) for a, b in MPII16.bones if {a, b} <= {0, 1, 2, 3, 4, 5, 10, 11, 14, 15}]
    lengths = []
    for seed in range(12):
        at = somebody.posed(random_archetype(np.random.default_rng(seed))).joints
        lengths.append([np.linalg.norm(at[a] - at[b]) for a, b in limbs])
    assert np.ptp(lengths, axis=0).max() < 1e-9


@pytest.mark.parametrize("name", list(WEIGHTS))
def test_every_kind_of_pose_is_made_of_rotations(name):
    build, share, grounded = WEIGHTS[name]
    assert share > 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        R = build(rng).pose(grounded=grounded).shaken(rng).R
        np.testing.assert_allclose(R @ R.transpose(0, 2, 1), np.tile(np.eye(3), (15, 1, 1)), atol=1e-9)
        np.testing.assert_allclose(np.linalg.det(R), 1.0)


def test_a_crowd_has_the_heights_of_adults(tiny_body):
    heights = [tiny_body.someone(np.random.default_rng(i)).height_m for i in range(60)]
    assert 1.6 < np.mean(heights) < 1.8
    assert min(heights) >= 1.39
    assert max(heights) <= 2.03
    assert np.std(heights) > 0.04


def test_a_walk_is_a_cycle_and_its_halves_are_mirror_images(tiny_body):
    person = tiny_body.person(np.zeros(16))
    np.testing.assert_allclose(joints(person, walking(0.7)), joints(person, walking(0.7 + 2 * np.pi)), atol=1e-9)
    here, half = joints(person, walking(0.7)), joints(person, walking(0.7 + np.pi))
    np.testing.assert_allclose(half, here[BODY25.mirror] * (-1, 1, 1), atol=0.03)


def test_a_squat_lowers_and_a_wave_raises(somebody):
    stand, squat = joints(somebody, standing()), joints(somebody, squatting(0.9))
    assert np.ptp(squat[:, 1]) < 0.75 * np.ptp(stand[:, 1])
    wave = joints(somebody, waving(0.0, standing()))
    assert wave[R_WRIST, 1] > stand[R_SHOULDER, 1]
    np.testing.assert_allclose(wave[L_WRIST], stand[L_WRIST], atol=0.06)


def test_a_recorded_pose_is_taken_over_by_its_directions(somebody):
    """From this program's joints in the order of a recording, back to a pose: limbs point the same way."""
    from train.synthetic import retarget as names

    for angles in (standing(), walking(1.0), squatting(0.6), waving(0.2, standing())):
        at = joints(somebody, angles)
        recorded = np.zeros((17, 3))
        pairs = {
            "PELVIS": 6, "R_HIP": 2, "R_KNEE": 1, "R_ANKLE": 0, "L_HIP": 3, "L_KNEE": 4, "L_ANKLE": 5, "THORAX": 7,
            "NECK": 8, "HEAD": 9, "L_SHOULDER": 13, "L_ELBOW": 14, "L_WRIST": 15, "R_SHOULDER": 12, "R_ELBOW": 11,
            "R_WRIST": 10,
        }  # fmt: skip
        for name, joint in pairs.items():
            recorded[getattr(names, name)] = at[joint]
        recorded[names.SPINE] = (at[6] + at[7]) / 2
        again = somebody.posed(retargeted(recorded)).joints
        for a, b in ((14, 13), (15, 14), (11, 12), (10, 11), (4, 3), (5, 4), (1, 2), (0, 1)):
            u, v = at[a] - at[b], again[a] - again[b]
            cos = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
            assert cos > np.cos(np.deg2rad(12)), (a, b)


def test_rotations_between_directions_are_the_shortest():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.normal(size=3), rng.normal(size=3)
        R = between(a, b)
        np.testing.assert_allclose(R @ a / np.linalg.norm(a), b / np.linalg.norm(b), atol=1e-9)
        cos = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert (np.trace(R) - 1) / 2 == pytest.approx(cos)
    np.testing.assert_allclose(rotation(np.zeros(3)), np.eye(3))


def test_feet_face_and_hands_are_where_a_body_has_them(somebody):
    at = somebody.posed(standing().pose()).joints / somebody.height_m
    ears = (at[R_EAR] + at[L_EAR]) / 2
    assert 0.03 < at[NOSE, 2] - ears[2] < 0.1
    assert 0.06 < at[L_EAR, 0] - at[R_EAR, 0] < 0.13
    for ankle, heel, toe in ((R_ANKLE, R_HEEL, R_TOE), (L_ANKLE, L_HEEL, L_TOE)):
        assert 0.11 < at[toe, 2] - at[heel, 2] < 0.2
        assert at[heel, 1] < at[ankle, 1]
        assert at[heel, 2] < at[ankle, 2]
    for elbow, wrist, hand in ((R_ELBOW, R_WRIST, R_HAND), (L_ELBOW, L_WRIST, L_HAND)):
        along = (at[wrist] - at[elbow]) / np.linalg.norm(at[wrist] - at[elbow])
        assert 0.04 < (at[hand] - at[wrist]) @ along < 0.08


def test_the_extremities_hang_on_their_parents_in_every_pose(somebody):
    bones = [(child, BODY25.parents[child]) for child in EXTREMITIES if child not in (NOSE, R_EAR, L_EAR)]
    lengths = []
    for seed in range(12):
        at = somebody.posed(random_archetype(np.random.default_rng(seed))).joints
        lengths.append([np.linalg.norm(at[a] - at[b]) for a, b in bones])
    assert np.ptp(lengths, axis=0).max() < 1e-9
