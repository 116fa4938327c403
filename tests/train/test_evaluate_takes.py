"""Figures on a take: of the held-out part alone, against labels and against the truth."""

from dataclasses import replace

import numpy as np
import pytest

from engine.skeleton import BODY25
from realtime.takes import open_take
from tests.realtime.takes.walked_take import Scene, SceneEngine
from tests.train.true_labels import labelled_take
from train.evaluate_takes import error_of_take, evaluate_take, table, table_of_kinds
from train.own_rig.labels import LabelError, labels_path, read_labels, write_labels


def quiet(done, total=None, text=""):
    pass


@pytest.fixture
def scene():
    return Scene(seconds=4.0)


def test_a_network_that_sees_right_agrees_and_one_that_errs_does_not(scene, tmp_path):
    folder = labelled_take(scene, tmp_path / "t", truth=True)
    engine: SceneEngine = scene.engine(noise=0.0)
    agreement, error = evaluate_take(folder, engine, step=quiet)
    assert (agreement.kind, error.kind) == ("agreement", "error")
    take = open_take(folder)
    held = sum(int(take.parts().held_out(c.take_time_s).sum()) for c in take.cameras.values())
    assert agreement.frames == held == pytest.approx(0.2 * 240, abs=3)
    assert agreement.found == 1.0
    assert agreement.mpjpe_mm < 15
    assert error.mpjpe_mm == pytest.approx(agreement.mpjpe_mm)
    assert error.label_noise_mm < 2
    assert "held out  agreement" in table([agreement, error])
    worse = evaluate_take(folder, scene.engine(noise=0.03), step=quiet)[0]
    assert worse.mpjpe_mm > 2 * agreement.mpjpe_mm
    assert worse.bone_spread > agreement.bone_spread
    assert worse.summary()["mpjpe_mm_per_joint"]["r_wrist"] > 0
    sides = [k for k in error.per_kind if k.kind in ("facing the camera", "side on", "turned away")]
    assert sum(k.frames for k in sides) == error.frames  # each frame shows one side
    mean_mm = sum(k.frames * k.mpjpe_mm for k in sides) / error.frames
    assert mean_mm == pytest.approx(error.mpjpe_mm)
    shown = table_of_kinds(before=[agreement], after=[worse]).splitlines()
    assert len(shown) == 1 + len(worse.per_kind)
    assert shown[0].split() == ["MPJPE,", "mm", "frames", "before", "after"]
    assert "before" not in table_of_kinds(after=[worse])
    assert worse.summary()["mpjpe_mm_per_kind"][sides[0].kind]["frames"] == sides[0].frames


def test_labels_that_are_off_are_told_by_the_truth(scene, tmp_path):
    folder = labelled_take(scene, tmp_path / "t", truth=True)
    labels = read_labels(folder)
    labels.joints_cam_m[:, 10] += np.array([0.0, 0.0, 0.16])  # one joint of fifteen
    write_labels(folder, labels)
    agreement, error = evaluate_take(folder, scene.engine(noise=0.0), step=quiet)
    assert error.label_noise_mm == pytest.approx(160 / 15, abs=2)
    assert agreement.mpjpe_mm > error.mpjpe_mm + 5


def test_joints_beyond_the_first_sixteen_are_told_apart_and_change_no_figure(scene, tmp_path):
    more = Scene(seconds=4.0, walker=replace(scene.walker, skeleton=BODY25))
    folder = labelled_take(more, tmp_path / "t", truth=True)
    labels = read_labels(folder)
    labels.joints_cam_m[:, 17] += np.array([0.0, 0.0, 0.5])  # a toe
    write_labels(folder, labels)
    old, new = (evaluate_take(folder, s.engine(noise=0.0), step=quiet) for s in (scene, more))
    for before, after in zip(old, new, strict=True):
        assert len(before.per_joint_mm) == 16
        assert len(after.per_joint_mm) == 25
        for name in ("mpjpe_mm", "n_mpjpe_mm", "p_mpjpe_mm", "bone_spread", "label_noise_mm"):
            assert getattr(after, name) == pytest.approx(getattr(before, name), abs=0.3)
    assert new[0].summary()["mpjpe_mm_per_joint"]["r_toe"] > 400
    assert new[1].summary()["mpjpe_mm_per_joint"]["r_toe"] < 30
    assert "r_toe" not in old[0].summary()["mpjpe_mm_per_joint"]


def test_somebody_who_is_never_found_has_no_error_but_is_told(scene, tmp_path):
    folder = labelled_take(scene, tmp_path / "t")
    blind = scene.engine()
    blind.broken = True
    (figures,) = evaluate_take(folder, blind, step=quiet)
    assert figures.found == 0.0
    assert np.isnan(figures.mpjpe_mm)
    assert figures.summary()["mpjpe_mm"] is None


def test_the_error_of_a_synthetic_take_needs_no_labels_and_that_of_another_cannot_be_known(scene, tmp_path):
    folder = labelled_take(scene, tmp_path / "t", truth=True)
    labels_path(folder).unlink()
    error = error_of_take(folder, scene.engine(noise=0.0), step=quiet)
    assert (error.kind, error.frames) == ("error", 240)
    assert error.mpjpe_mm < 15
    filmed = labelled_take(scene, tmp_path / "filmed")
    with pytest.raises(LabelError, match="no truth"):
        error_of_take(filmed, scene.engine(), step=quiet)
