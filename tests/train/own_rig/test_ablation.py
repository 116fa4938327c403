"""The paper's ablation on a synthetic take."""

import pytest

from tests.realtime.takes.walked_take import Scene
from tests.train.true_labels import labelled_take
from train.datasets.takes import read_take
from train.own_rig.ablation import ROWS, Ablation, table
from train.own_rig.lessons import parted_take
from train.own_rig.truth import true_labels
from train.sweep import Results


def silent(done, total=None, text=""):
    pass


def test_the_table_has_the_papers_figures_beside_ours_and_what_is_finished_only(tmp_path):
    results = Results(tmp_path / "results.json")
    results.once("nothing", lambda: {"mpjpe_mm": 200.0, "p_mpjpe_mm": 150.0, "n_mpjpe_mm": 180.0})
    text = table(results)
    assert "| nothing | 200.0 | 150.0 | 180.0 | 102.7 | 89.5 | 98.0 |" in text
    assert "CBAM" not in text
    assert len({row.name for row in ROWS}) == 8


@pytest.mark.slow
def test_every_network_is_trained_and_judged(tmp_path):
    folder = labelled_take(Scene(seconds=6.0), tmp_path / "t", truth=True)
    taught, validation = parted_take(read_take(folder, step=silent))
    judged = read_take(folder, labels=true_labels(folder), part="held out", step=silent)
    ablation = Ablation(tmp_path / "runs", taught, taught, validation, judged, 32, 16, 64)
    for row in (ROWS[0], ROWS[-1]):
        figures = ablation.row(row)
        assert 0 < figures["p_mpjpe_mm"] < figures["mpjpe_mm"]
    assert (tmp_path / "runs" / "first_cbam_wasp" / "last.ckpt").is_file()
