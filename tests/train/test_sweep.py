"""A table of runs that goes on where it was stopped."""

import pytest

from train.sweep import Results


def test_what_is_finished_is_not_run_again(tmp_path):
    path = tmp_path / "runs" / "results.json"
    assert Results(path).once("a", lambda: {"mm": 1.5}) == {"mm": 1.5}
    again = Results(path)
    assert again.once("a", lambda: pytest.fail("it was finished")) == {"mm": 1.5}
    assert again.once("b", lambda: {"mm": 2}) == {"mm": 2}
    assert list(Results(path).records) == ["a", "b"]


def test_a_run_that_fails_leaves_the_table_as_it_was(tmp_path):
    results = Results(tmp_path / "results.json")
    results.once("a", lambda: {"mm": 1})
    with pytest.raises(KeyboardInterrupt):
        results.once("b", interrupted)
    assert list(Results(tmp_path / "results.json").records) == ["a"]


def interrupted():
    raise KeyboardInterrupt
