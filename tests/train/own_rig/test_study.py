"""The table of a study says what its records say."""

from train.own_rig.study_table import markdown


def figures(mm, noise=50.0):
    return {"takes/first": [{"n_mpjpe_mm": mm - 10}, {"mpjpe_mm": mm, "n_mpjpe_mm": mm - 5, "label_noise_mm": noise}]}


def record(before, after, top, second):
    regression = {"before": 200.0, "after": 202.0}
    run = {"before": figures(before), "regression_mm": regression, "share_of_new": [0.6], "verdict": "green"}
    arms = [{"name": "F of pooled frames", "share": 0.9, "n_mpjpe_mm": 80.0, "p_mpjpe_mm": 60.0}]
    return {
        "baseline_m": 2.0,
        "rig": {"turn_deg": 1.5, "direction_deg": 0.5, "turn_sigma_deg": 0.75, "direction_sigma_deg": None},
        "taught": {**run, "after": figures(after)},
        "ceiling": {**run, "after": figures(top)},
        "second": {"before": {"mpjpe_mm": 100.0}, "taught": {"mpjpe_mm": second}, "ceiling": {"mpjpe_mm": 70.0}},
        "arms": arms,
    }


def test_a_study_says_the_gain_the_share_of_the_way_and_what_was_refused():
    text = markdown(
        {
            "settings": {"weights": "lite", "sha256": "ab" * 32, "seconds": 60.0, "crops": 100},
            "1 taught": {},
            "seed 1": record(100.0, 70.0, 60.0, 80.0),
            "seed 2": record(100.0, 60.0, 60.0, 90.0),
            "seed 3": {"refused": "out of sync"},
        }
    )
    assert "| 70.0 | -30.0 % | 60.0 | 75 % |" in text
    assert "| held-out part | -35.0 % | 7.1 % |" in text
    assert "| second take | -15.0 % | 7.1 % |" in text
    assert "- seed 3: refused: out of sync" in text
    assert "| seed 1 | 1.50 | 0.50 | 0.75 | not said |" in text
    assert "| F of pooled frames | 90 % | 80.0 | 60.0 |" in text
