"""Two files are held against each other by the numbers of their evaluations."""

import copy

import pytest

from train.bundle.comparison import CHOSEN_BY, BundleError, compared, comparison_table, folders_below, gain, rows_of
from train.bundle.taking import candidate_file, check_gain


def test_each_row_has_both_figures_and_their_difference(made_up_record):
    rows = {(row.people, row.figure): row for row in rows_of(made_up_record)}
    row = rows["lspet, test list of 10, no box given", "pck_at_0.2"]
    assert (row.bundled, row.candidate, row.difference) == (0.5, 0.54, 0.04)
    only = rows["lspet, test list of 10, no box given", "pck_at_0.2_extremities"]
    assert (only.bundled, only.candidate, only.difference) == (None, 0.7, None)


def test_the_table_shows_figure_bundled_candidate_and_difference(made_up_record):
    lines = comparison_table(made_up_record).splitlines()
    assert lines[0].split() == ["bundled", "b" * 12, "candidate", "c" * 12, "difference"]
    at = lines.index("coco_new, test list of 20, no box given")
    assert lines[at + 1].split() == ["people", "20", "20", "+0"]
    assert lines[at + 3].split() == ["PCK@0.2", "0.600", "0.640", "+0.040"]
    assert lines[at + 4].split() == ["feet,", "face,", "hands", "-", "0.700", "-"]


@pytest.mark.parametrize(("pck", "enough"), [(0.55, True), (0.5499, False), (0.5, False)])
def test_weights_are_taken_that_gained_three_hundredths(made_up_record, pck, enough):
    record = copy.deepcopy(made_up_record)
    record["candidate"]["figures"][CHOSEN_BY]["pck_at_0.2"] = pck
    assert gain(record) == pytest.approx(pck - 0.52)
    if enough:
        check_gain(record, force=False)
    else:
        with pytest.raises(BundleError, match=r"nothing was taken; train on, or take it all the same with --force"):
            check_gain(record, force=False)
    check_gain(record, force=True)


def test_what_is_missing_is_said_before_anything_is_judged(tmp_path):
    with pytest.raises(BundleError, match=r"no folder .*lspet; --data needs labelled2d/lspet, labelled2d/coco_new"):
        folders_below(tmp_path, None)
    with pytest.raises(BundleError, match=r"no .*lite\.safetensors; a training writes it at its end"):
        candidate_file(tmp_path)


def test_both_files_are_judged_on_the_same_people_by_the_same_engine(tmp_path, make_run, small_lsp, monkeypatch):
    monkeypatch.setattr("train.bundle.comparison.PHOTOS", ("small",))
    monkeypatch.setattr("train.bundle.comparison.OTHERS", ())
    monkeypatch.setattr("train.bundle.comparison.frozen_list", lambda name: frozenset(f"a/{i}.jpg" for i in range(3)))
    weights, other = make_run("a", epochs=1)[0], make_run("b", epochs=1, pck=0.6)[0]
    steps = []
    record = compared(
        {"bundled": weights, "candidate": other}, small_lsp.parent, None,
        lambda which: lambda done, total=None, text="": steps.append((which, done, total)), engine="eager",
    )  # fmt: skip
    assert record["bundled"]["sha256"] == weights.sha256
    assert list(record["bundled"]["figures"]) == list(record["candidate"]["figures"])
    assert record["candidate"]["figures"][CHOSEN_BY]["people"] == 3
    assert steps[:3] == [("bundled", 1, 3), ("bundled", 2, 3), ("bundled", 3, 3)]
    assert (
        gain(record)
        == record["candidate"]["figures"][CHOSEN_BY]["pck_at_0.2"]
        - record["bundled"]["figures"][CHOSEN_BY]["pck_at_0.2"]
    )
