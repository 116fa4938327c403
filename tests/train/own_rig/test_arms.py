"""Ways to make labels, from the paper's to the floor, on a take whose truth is known."""

import pytest

from realtime.take_joints import write_joints
from tests.realtime.takes.walked_take import Scene
from tests.train.true_labels import labelled_take
from train.own_rig.arms import label_arms, table
from train.own_rig.labels import LabelError


@pytest.mark.slow
def test_each_step_towards_the_truth_is_worth_something(tmp_path):
    scene = Scene(seconds=10.0, rate_hz=20.0)
    folder = labelled_take(scene, tmp_path / "t", truth=True)
    for i, name in enumerate(scene.cameras):
        write_joints(folder, name, scene.joints(i))
    arms = label_arms(folder)
    each_frame, pooled, refined, fitted, true, true_fitted, floor = (arm.n_mpjpe_mm for arm in arms)
    assert each_frame > 2 * pooled
    assert refined <= pooled * 1.05
    assert fitted < refined
    assert true <= refined * 1.05
    assert true_fitted < true
    assert floor < 5
    assert "as the paper is written" in table(arms)


def test_a_take_without_truth_is_refused(tmp_path):
    folder = labelled_take(Scene(seconds=1.0), tmp_path / "t")
    with pytest.raises(LabelError, match="arms need a synthetic take"):
        label_arms(folder)
