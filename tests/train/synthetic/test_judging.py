"""Figures of rendered people: an engine that knows the truth makes no error, one that errs makes the error it makes."""

import numpy as np
import pytest

from engine.errors import UserError
from engine.skeleton import BODY25, MPII16
from tests.realtime.fake_engine import FakeEngine
from train.datasets.synthetic import read_people_3d
from train.evaluate import evaluate
from train.figures import table
from train.synthetic.sample import random_sample
from train.synthetic.shards import read_shard, write_shard


@pytest.fixture(scope="module")
def one_person(tmp_path_factory, tiny_body):
    """A shard with one person who is whole in the picture."""
    folder = tmp_path_factory.mktemp("people")
    for seed in range(20):
        write_shard(
            folder / "shard_0000_00000.npz", [random_sample(np.random.default_rng(seed), size_px=96, body=tiny_body)]
        )
        people = read_people_3d(folder)
        if people and people[0].inside.all():
            return folder, people[0]
    raise AssertionError("nobody was whole")


def test_the_truth_of_a_shard_is_in_metres_and_projects_onto_its_pixels(one_person):
    _, person = one_person
    projected = person.joints_m @ person.sample.K.T
    np.testing.assert_allclose(projected[:, :2] / projected[:, 2:], person.sample.joints_px, atol=1e-3)
    assert person.joints_m[6, 2] == pytest.approx(person.root_z_m)
    assert 0.6 < np.ptp(person.joints_m, axis=0).max() < 2.6


@pytest.mark.parametrize("skeleton", [MPII16, BODY25])
def test_an_engine_that_knows_the_truth_has_no_error(one_person, skeleton):
    folder, person = one_person
    (figures,) = evaluate([folder], FakeEngine(people=[person.joints_m], skeleton=skeleton))
    assert figures.numbers.get("pck_at_0.2_extremities", 1.0) == 1.0
    assert ("pck_at_0.2_extremities" in figures.numbers) is (skeleton is BODY25)
    assert figures.numbers["pck_at_0.2"] == 1.0
    assert figures.numbers["n_mpjpe_mm"] < 1.0
    assert figures.numbers["p_mpjpe_mm"] < 1.0
    assert "N-MPJPE mm" in table([figures])


def test_an_error_in_depth_is_seen_in_3d_alone(one_person):
    folder, person = one_person
    wrong = person.joints_m.copy()
    for wrist in (10, 15):  # along their own rays: the pixels stay
        wrong[wrist] *= 1.0 + 0.3 / np.linalg.norm(wrong[wrist])
    (figures,) = evaluate([folder], FakeEngine(people=[wrong]))
    assert figures.numbers["pck_at_0.2"] == 1.0
    assert 15 < figures.numbers["n_mpjpe_mm"] < 70
    assert figures.numbers["p_mpjpe_mm"] > 15


def test_shards_without_distances_are_refused(one_person, tmp_path):
    folder, _ = one_person
    with np.load(folder / "shard_0000_00000.npz") as held:
        old = {k: held[k] for k in held.files if k != "root_z_m"}
    np.savez(tmp_path / "shard_0000_00000.npz", **old)
    assert np.isnan(read_shard(tmp_path / "shard_0000_00000.npz").root_z_m).all()
    with pytest.raises(UserError, match="without distances"):
        evaluate([tmp_path], FakeEngine())
