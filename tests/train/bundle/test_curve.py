"""The curve of all bundled weights grows by blocks, and never says anything twice."""

import json

from train.bundle.curve import block_of, curve_text, draw_curve, read_curve, with_block

LITE = {"weights": "lite", "sha256": "ab" * 32}


def test_a_block_names_its_run_and_keeps_a_thin_line_of_each_epoch(make_run):
    weights, path = make_run("standing", epochs=2, started_from=LITE, history=[{"crops": 500}, {"crops": 300}])
    lines = [json.loads(line) for line in curve_text([block_of(weights, path)]).splitlines()]
    assert lines == [
        {
            "run": "standing", "from": {"weights": "lite", "sha256": "abababababab"}, "preset": "standing",
            "network": "ResNet-18, 64 px, mpii16", "data": ["lspet: 7747 labelled"], "crops_before": 800,
        },
        {"crops": 8000, "hours": 0.111, "px": 64, "val_pck": 0.5123, "val_coco_pck": 0.6},
        {"crops": 16000, "hours": 0.222, "px": 64, "val_pck": 0.5247, "val_coco_pck": 0.6},
        {"crops": 16000, "bundled": weights.sha256[:12]},
    ]  # fmt: skip


def test_appending_twice_adds_nothing_twice(make_run):
    block = block_of(*make_run("standing", epochs=2, started_from=LITE))
    once = with_block([], block)
    assert with_block(once, block) == once


def test_a_run_that_went_on_is_one_block_with_both_of_its_files(make_run):
    first = block_of(*make_run("standing", epochs=2, started_from=LITE))
    other = block_of(*make_run("other", epochs=1))
    later = block_of(*make_run("standing", epochs=4, started_from=LITE))
    blocks = with_block([first, other], later)
    assert [block.run["run"] for block in blocks] == ["standing", "other"]
    assert [line["crops"] // 8000 for line in blocks[0].lines] == [1, 2, 2, 3, 4, 4]
    assert ["bundled" in line for line in blocks[0].lines] == [False, False, True, False, False, True]


def test_a_run_of_the_same_name_that_began_with_other_weights_is_another_block(make_run):
    first = block_of(*make_run("standing", epochs=2, started_from=LITE))
    again = block_of(*make_run("standing", epochs=2, started_from={**LITE, "sha256": "cd" * 32}))
    assert len(with_block([first], again)) == 2


def test_epochs_after_the_file_was_written_are_not_its(make_run):
    weights, path = make_run("standing", epochs=2)
    make_run("longer", epochs=3)
    path.with_name("metrics.jsonl").write_text((path.parent.parent / "longer" / "metrics.jsonl").read_text())
    assert [line["crops"] for line in block_of(weights, path).lines] == [8000, 16000, 16000]


def test_of_weights_without_a_run_folder_the_card_is_the_only_epoch(make_run):
    weights, path = make_run("lonely", epochs=2)
    path.with_name("metrics.jsonl").unlink()
    block = block_of(weights, path)
    assert block.run["run"] == "lite"
    assert block.lines[0] == {"crops": 16000, "hours": 0.2, "val_pck": 0.5}


def test_the_file_is_read_back_as_it_was_written(tmp_path, make_run):
    blocks = [block_of(*make_run("a", epochs=2)), block_of(*make_run("b", epochs=1))]
    path = tmp_path / "curve.jsonl"
    assert read_curve(path) == []
    path.write_text(curve_text(blocks))
    assert read_curve(path) == blocks
    assert draw_curve(blocks, tmp_path / "curve.png").stat().st_size < 100_000
