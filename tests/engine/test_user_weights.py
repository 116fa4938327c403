"""A user's own weights: what `auto` takes, by lens, and the way back."""

import pytest

from engine import user_weights
from engine.places import DATA_VARIABLE
from engine.user_weights import OwnWeightsError
from engine.weights import load_weights, write_weights


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Puts two own weights into an empty folder."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    lite = load_weights("lite")
    for name in ("desk", "attic"):
        write_weights(lite, user_weights.own_path(name))
    return tmp_path


def test_auto_takes_the_bundled_ones_until_own_ones_are_used(own):
    assert load_weights("auto").name == "lite"
    user_weights.use("desk")
    assert load_weights("auto").name == "desk"
    assert load_weights("attic").name == "attic"
    assert load_weights("lite").name == "lite"
    user_weights.use(None)
    assert load_weights("auto").name == "lite"


def test_a_lens_has_its_own_weights(own):
    user_weights.use("desk", lenses=("lens a",))
    user_weights.use("attic", lenses=("lens b",))
    assert user_weights.chosen("lens a").stem == "desk"
    assert user_weights.chosen("lens b").stem == "attic"
    assert user_weights.chosen("unknown").stem == "attic"
    assert user_weights.chosen().stem == "attic"


def test_undo_goes_back_step_by_step(own):
    user_weights.use("desk", lenses=("a",))
    user_weights.use("attic", lenses=("a",))
    assert user_weights.undo() == "desk"
    assert load_weights("auto").name == "desk"
    assert user_weights.undo() is None
    assert load_weights("auto").name == "lite"
    with pytest.raises(OwnWeightsError, match="nothing to undo"):
        user_weights.undo()


@pytest.mark.parametrize("name", ["../x", "", "lite", "auto", "a b"])
def test_what_is_no_name_is_refused(own, name):
    with pytest.raises(OwnWeightsError, match="no name"):
        user_weights.own_path(name)


def test_weights_that_are_gone_or_unknown_are_said(own):
    with pytest.raises(OwnWeightsError, match="there are: attic, desk"):
        user_weights.use("kitchen")
    user_weights.use("desk")
    user_weights.own_path("desk").unlink()
    with pytest.raises(OwnWeightsError, match="weights undo"):
        load_weights("auto")
    user_weights.undo()
    assert load_weights("auto").name == "lite"


def test_a_damaged_index_is_named(own):
    (user_weights.weights_folder() / "index.json").write_text("{")
    with pytest.raises(OwnWeightsError, match=r"index\.json is damaged"):
        user_weights.chosen()
