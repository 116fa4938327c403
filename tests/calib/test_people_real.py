"""A real recording: a man who balances for 1.7 s before two synchronous cameras, joints by OpenPose.

The cameras' calibration is the truth; the reference of the 3D joints is made of four cameras' joints. Short, one place,
one direction: the hard case, far from what is asked of a user.
"""

from dataclasses import replace

import numpy as np
import pytest

from calib.camera import Camera, rigid
from calib.epipolar import Relative
from calib.formats import read_rig
from calib.joint_track import Body, Track
from calib.labels import fit_labels
from calib.people_rig import calibrate_people, pose_of
from calib.people_suspects import Seen
from calib.rig import Rig
from calib.rig_watch import check_rig
from calib.sync import fit_clock
from tests.calib.walker import true_relative

SIDED = ("Eye", "Ear", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "BigToe", "SmallToe", "Heel")
# joint, parent, part of the body's height; limbs as in our own skeleton, the others of this man's reference
BONES = (
    ("RAnkle", "RKnee", 0.246), ("RKnee", "RHip", 0.245), ("LAnkle", "LKnee", 0.246), ("LKnee", "LHip", 0.245),
    ("RWrist", "RElbow", 0.146), ("RElbow", "RShoulder", 0.186), ("LWrist", "LElbow", 0.146),
    ("LElbow", "LShoulder", 0.186), ("RHip", "LHip", 0.11), ("RShoulder", "Neck", 0.105), ("LShoulder", "Neck", 0.105),
)  # fmt: skip


def body_of(names: list[str]) -> Body:
    at = {name: i for i, name in enumerate(names)}
    mirror = list(range(len(names)))
    for part in SIDED:
        mirror[at[f"L{part}"]], mirror[at[f"R{part}"]] = at[f"R{part}"], at[f"L{part}"]
    bones = tuple((at[a], at[b]) for a, b, _ in BONES)
    limbs = (tuple(at[n] for n in ("RAnkle", "RKnee", "RHip")), tuple(at[n] for n in ("RWrist", "RElbow", "RShoulder")))
    feet = (at["RAnkle"], at["LAnkle"])
    return Body(tuple(names), bones, tuple(part for *_, part in BONES), tuple(mirror), limbs, feet, at["RHip"])


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "multiview" / "pose2sim_balance_cam12"


@pytest.fixture(scope="module")
def cameras(folder) -> dict[str, Camera]:
    rig = read_rig(folder / "calibration" / "Calib_scene.toml").rig
    return dict(list(rig.cameras.items())[:2])


@pytest.fixture(scope="module")
def joints(folder, cameras) -> tuple[dict[str, Track], Body]:
    tracks, names = {}, []
    for i, name in enumerate(cameras, start=1):
        with np.load(folder / f"openpose_body25b_cam0{i}.npz") as table:
            keypoints, names = table["keypoints"].astype(np.float64), [str(text) for text in table["names"]]
        px = np.where(keypoints[..., 2:] > 0, keypoints[..., :2], np.nan)
        tracks[name] = Track(np.arange(len(px)) / 60, px, np.clip(keypoints[..., 2], 0, 1))
    return tracks, body_of(names)


@pytest.fixture(scope="module")
def pose(cameras, joints):
    tracks, body = joints
    seen = Seen(tuple(cameras), tuple(tracks.values()), tuple(cameras.values()))
    return pose_of(seen, body)[0]


def label_error_mm(folder, cameras, joints):
    """Kept two-view labels against the reference, from the right hip, after one scale."""
    tracks, body = joints
    made = fit_labels(*tracks.values(), list(cameras.values()), body)
    with np.load(folder / "reference3d_4view_scene.npz") as table:
        reference = table["points"].astype(np.float64)
    named = sorted({j for bone in body.bones for j in bone})
    found, true = (points - points[:, [body.root]] for points in (made.points, reference))
    ok = made.kept & np.isfinite(true).all(-1)
    ok[:, [j for j in range(len(body.names)) if j not in named]] = False
    scale = (found[ok] * true[ok]).sum() / (found[ok] ** 2).sum()
    return 1000 * np.linalg.norm(scale * found[ok] - true[ok], axis=-1).mean(), made.kept[:, named].mean()


def test_the_cameras_are_found_from_a_second_and_a_half(pose, cameras):
    turn, way = pose.relative.apart_deg(Relative.of(true_relative(cameras)))
    print(f"R {turn:.2f} +- {pose.sigmas_deg[0]:.2f}, T {way:.2f} +- {pose.sigmas_deg[1]:.2f} degrees")
    assert turn <= 4.5
    assert way <= 3.0
    assert turn < 3 * pose.sigmas_deg[0]


def test_the_cameras_clocks_are_found_to_agree(cameras, joints):
    tracks, _ = joints
    found = fit_clock(*tracks.values(), list(cameras.values()))
    print(f"offset {1000 * found.clock.offset_s:+.1f} +- {1000 * (found.sigma_s or np.nan):.1f} ms")
    assert found.known
    middle_s = 50 / 60
    assert abs(found.clock.offset_s + found.clock.drift_ppm * 1e-6 * middle_s) < 0.006


def test_labels_are_near_the_reference_with_the_true_cameras_and_with_found_ones(folder, cameras, joints, pose):
    error_mm, kept = label_error_mm(folder, cameras, joints)
    first, second = cameras.values()
    T = rigid(pose.relative.R, pose.relative.t * np.linalg.norm(true_relative(cameras)[:3, 3]))
    found = dict(zip(cameras, (first, replace(second, cam_from_world=T @ first.cam_from_world)), strict=True))
    found_mm, found_kept = label_error_mm(folder, found, joints)
    print(f"true cameras {error_mm:.1f} mm ({kept:.0%} kept), found ones {found_mm:.1f} mm ({found_kept:.0%})")
    assert error_mm <= 55
    assert found_mm <= 60
    assert min(kept, found_kept) > 0.8


def test_so_short_a_recording_is_never_green(cameras, joints):
    tracks, body = joints
    lenses = {name: replace(camera, cam_from_world=None) for name, camera in cameras.items()}
    result = calibrate_people(tracks, lenses, body)
    assert result.verdict.light != "green"
    assert any("half a minute" in text for text in result.verdict.texts())


def test_the_published_calibration_is_not_said_to_have_moved(cameras, joints):
    tracks, body = joints
    assert check_rig(Rig(cameras), tracks, body).reason.light != "red"
