"""`calibrate TAKE --from people`: what it writes, what it keeps, what it says."""

from dataclasses import replace

import numpy as np
import pytest

from calib.errors import UserError
from calib.formats import read_rig, write_rig
from calib.people_scale import Cues
from calib.rig import Quality, Rig
from engine.skeleton import BODY25, MPII16
from realtime.people_calibration import calibrate_from_people, is_take
from realtime.take_joints import read_camera_joints, write_joints
from realtime.takes import CameraAbout, Row, TakeError, create_take, open_take, read_sync
from tests.calib.walker import Walker
from tests.realtime.takes.walked_take import SIZE_PX, Scene, pair

# cameras of the right shape, and a person who covers the area: the joints are those of an engine, stored beforehand
SCENE = Scene(seconds=16.0, rate_hz=15.0, walker=Walker(seed=3, radius_m=0.8), cameras=pair(apart_deg=50.0))


def quiet(done, total=None, text=""):
    pass


def made(folder, scene=SCENE, *, rig=None):
    """A take whose joints were found before: its pictures are grey and need no look."""
    about = {name: CameraAbout("made up", *SIZE_PX, clock="exact") for name in scene.cameras}
    grey = np.full((SIZE_PX[1], SIZE_PX[0], 3), 90, np.uint8)
    with create_take(folder, about, made_by="synth", subject_height_m=scene.walker.height_m) as writer:
        for i, name in enumerate(scene.cameras):
            for moment_s in scene.rig_s(i) - scene.offset_s * i:
                writer[name].write_image(grey, Row(round(moment_s * 1e6)))
    take = open_take(folder)
    for i, name in enumerate(scene.cameras):
        joints = scene.joints(i, noise_px=0.5)
        write_joints(folder, name, replace(joints, time_s=take.cameras[name].steady_s[joints.frame]))
    if rig is not None:
        write_rig(folder / "rig.toml", rig)
    return folder


def lenses_file(folder, scene=SCENE):
    bare = {name: replace(camera, cam_from_world=None) for name, camera in scene.cameras.items()}
    path = folder / "lenses.toml"
    places = {name: replace(camera, cam_from_world=np.eye(4)) for name, camera in bare.items()}
    write_rig(path, Rig(places))
    return path


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    folder = made(tmp_path_factory.mktemp("takes") / "walk")
    lenses = lenses_file(folder.parent)
    return folder, calibrate_from_people(folder, SCENE.engine(), intrinsics=lenses, cues=Cues(), step=quiet)


def test_clocks_rig_and_report_stay_with_the_take(calibrated):
    folder, done = calibrated
    names = {path.name for path in done.written}
    assert names == {"rig.toml", "sync.toml", "report.txt", "report.json", "report.html"}
    assert all(path.parent == folder and path.stat().st_size > 0 for path in done.written)
    clock = read_sync(folder).clocks["cam1"]
    assert clock.offset_s + clock.drift_ppm * 1e-6 * 9.0 == pytest.approx(SCENE.offset_s, abs=0.005)
    take = open_take(folder)
    assert take.rig.quality.made_from == "people"
    true_m = np.linalg.norm(np.subtract(*(c.center_world_m for c in SCENE.cameras.values())))
    # the height is the one that the take knows
    assert take.rig.baseline_m("cam0", "cam1") == pytest.approx(true_m, rel=0.04)
    assert done.verdict.light in ("green", "yellow"), done.verdict.texts()
    assert "person" in (folder / "report.txt").read_text()


def test_ears_and_heels_that_are_wrong_do_not_touch_the_rig(calibrated, tmp_path):
    """The joints of CORE are the same to the last bit, so the rig is."""
    folder, done = calibrated
    other = made(tmp_path / "walk")
    for i, name in enumerate(SCENE.cameras):
        joints = read_camera_joints(folder, name)
        n, beyond = len(joints.frame), len(BODY25) - len(MPII16)
        rng = np.random.default_rng(i)
        held = {
            "px": joints.px[:, :beyond] + rng.normal(0, 40, (1, beyond, 2)),
            "sigma_px": np.ones((n, beyond)),
            "score": np.full((n, beyond), 0.95),
        }
        more = {field: np.concatenate([getattr(joints, field), extra], axis=1) for field, extra in held.items()}
        write_joints(other, name, replace(joints, **more))
    lenses = lenses_file(tmp_path)
    again = calibrate_from_people(other, SCENE.engine(), intrinsics=lenses, cues=Cues(), step=quiet)
    for name, camera in done.rig.cameras.items():
        np.testing.assert_array_equal(again.rig.cameras[name].cam_from_world, camera.cam_from_world)


def test_a_rig_of_a_board_is_checked_and_kept(calibrated, tmp_path):
    quality = Quality("green", made_from="board", metric=True)
    folder = made(tmp_path / "t", rig=Rig(SCENE.cameras, quality=quality))
    before = (folder / "rig.toml").read_bytes()
    done = calibrate_from_people(folder, SCENE.engine(), cues=Cues(), step=quiet)
    assert done.verdict.light == "green"
    assert "stand where the rig has them" in done.verdict.reasons[0].text
    assert done.written == []
    assert (folder / "rig.toml").read_bytes() == before
    elsewhere = tmp_path / "new"
    again = calibrate_from_people(folder, SCENE.engine(), out=elsewhere, cues=Cues(), step=quiet)
    assert read_rig(elsewhere / "rig.toml").rig.quality.made_from == "people"
    assert again.rig.quality.made_from == "people"


def test_what_is_no_take_or_has_one_camera_is_one_line(tmp_path):
    assert not is_take(tmp_path)
    one = replace(SCENE, seconds=1.0, cameras={"cam0": SCENE.cameras["cam0"]})
    folder = made(tmp_path / "one", one)
    assert is_take(folder)
    with pytest.raises(TakeError, match="has one camera"):
        calibrate_from_people(folder, SCENE.engine(), cues=Cues(), step=quiet)


def test_lenses_of_another_shape_are_refused(tmp_path):
    folder = made(tmp_path / "t", replace(SCENE, seconds=2.0))
    square = {n: replace(c, height=200) for n, c in SCENE.cameras.items()}
    write_rig(tmp_path / "square.toml", Rig(square))
    with pytest.raises(UserError, match="does not fit cam0"):
        calibrate_from_people(folder, SCENE.engine(), intrinsics=tmp_path / "square.toml", cues=Cues(), step=quiet)
