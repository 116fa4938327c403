"""The bench measures what it says: exact ages, a gate that refuses, ratios of what was taken in turns."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.backends import EngineError
from engine.errors import UserError
from engine.joints import EngineOutput
from realtime.bench import engines as bench_engines
from realtime.bench import run as bench_run
from realtime.bench.camera import StampedCamera, read_stamp, write_stamp
from realtime.bench.chain import CameraRow, FileRow, run_camera
from realtime.bench.compare import comparison, different_machines, read_report
from realtime.bench.engines import EngineRow, open_rows, ratio, time_batches, time_in_turns
from realtime.bench.readme import MEASURED, README, renewed
from realtime.bench.report import Report
from realtime.bench.scene import Sight, read_sights
from tests.realtime.fake_engine import FakeEngine, standing, view


@pytest.mark.parametrize("time_s", [0.0, 1e-6, 12345.678901, 2.0**30 + 0.25])
def test_a_moment_survives_in_the_pixels(time_s):
    image = np.full((100, 300, 3), 90, np.uint8)
    write_stamp(image, time_s)
    assert read_stamp(image) == pytest.approx(time_s, abs=1.1e-6)
    assert (image[:90] == 90).all()


def test_a_picture_that_is_too_small_for_a_stamp_is_refused():
    with pytest.raises(ValueError, match="a stamp needs 224 pixels, the picture is 64 wide"):
        write_stamp(np.zeros((48, 64, 3), np.uint8), 1.0)


def test_the_camera_keeps_its_rate_and_goes_forth_and_back():
    now = [100.0]
    images = [np.full((20, 240, 3), grey, np.uint8) for grey in (10, 20, 30)]
    camera = StampedCamera(images, 0.04, clock=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + s))
    seen = []
    for frame in camera.frames():
        seen.append((frame.time_s, int(frame.image_bgr[0, 0, 0]), read_stamp(frame.image_bgr)))
        if frame.index == 8:
            camera.close()
    times, greys, stamps = zip(*seen, strict=True)
    np.testing.assert_allclose(np.diff(times), 0.04, atol=1e-9)
    np.testing.assert_allclose(times, stamps, atol=1e-6)
    assert greys == (10, 20, 30, 20, 10, 20, 30, 20, 10)


def test_the_sights_have_their_person_in_the_middle_of_each_box():
    sight = read_sights(4)
    assert len(sight.images) == len(sight.boxes) == 4
    for image, box in zip(sight.images, sight.boxes, strict=True):
        assert image.shape == (720, 1280, 3)
        x, y = box.center_px
        assert 0 < x < 1280
        assert 0 < y < 720
        assert 300 < box.side_px < 900


class Rough(FakeEngine):
    """Off by some crop units."""

    off = 0.0

    def submit(self, image_bgr, boxes, K):
        output = super().submit(image_bgr, boxes, K).result()
        joints = output.joints.copy()
        joints[..., 0] += self.off

        class Done:
            def result(self):
                return EngineOutput(joints, output.presence)

        return Done()


@pytest.fixture
def fakes(monkeypatch):
    """Engines by name and precision that can be had instead of real ones; None = cannot run here."""
    known = {}

    def open_fake(name, weights, *, precision):
        engine = known.get((name, precision))
        if engine is None:
            raise EngineError(f"{name} {precision} cannot run here")
        return engine

    monkeypatch.setattr(bench_engines, "open_engine", open_fake)
    return known


def person_sight(count=3):
    image, K = view()
    scene = read_sights(1)
    return Sight([image] * count, [scene.boxes[0]] * count, K)


def rough(off):
    engine = Rough(people=[standing((0, 0, 4))])
    engine.off = off
    return engine


@pytest.fixture
def lite():
    from engine.weights import load_weights

    return load_weights("lite")


def test_an_engine_that_disagrees_or_cannot_run_is_a_row_with_its_reason(fakes, lite):
    fakes["eager", "fp32"] = rough(0.0)
    fakes["openvino", "fp32"] = rough(0.0005)  # 0.024 cells
    fakes["openvino", "bf16"] = rough(0.05)  # 2.4 cells
    fakes["openvino", "int8"] = rough(np.nan)
    said = []
    rows, opened = open_rows(lite, person_sight(), ("openvino", "onnx"), say=said.append)
    by_name = {row.name: row for row in rows}
    assert [one.row.name for one in opened] == ["eager fp32", "openvino fp32"]
    assert by_name["openvino fp32"].difference_cells == pytest.approx(0.024, abs=1e-3)
    assert by_name["openvino bf16"].refused == "joints are 2.40 cells from the reference, allowed are 0.5"
    assert by_name["openvino int8"].refused is not None
    assert by_name["onnx fp32"].refused == "onnx fp32 cannot run here"
    assert said == [row.name for row in rows]


def test_engines_are_timed_in_turns(fakes, lite):
    fakes["eager", "fp32"], fakes["openvino", "fp32"] = rough(0.0), rough(0.0)
    _, opened = open_rows(lite, person_sight(), ("openvino",), say=lambda name: None)
    order = []
    for one in opened:
        one.engine.infer = lambda *_, name=one.row.name: order.append(name)
    time_in_turns(opened, person_sight(), 3, step=lambda done: None)
    n = bench_engines.CALLS_PER_ROUND
    assert order == (["eager fp32"] * n + ["openvino fp32"] * n) * 3
    assert all(len(one.row.wall_ms) == len(one.row.cpu_ms) == 3 for one in opened)


def timed(name, precision, ms):
    row = EngineRow(name, precision, description=name)
    row.wall_ms, row.cpu_ms = [[ms, ms]] * 3, [2 * ms] * 3
    return row


def report():
    rows = [timed("eager", "fp32", 20.0), timed("openvino", "fp32", 10.0), timed("openvino", "bf16", 5.0)]
    rows.append(EngineRow("onnx", "fp32", refused="not installed"))
    files = [
        FileRow("1", "latency", 90.0, 100.0, 0.9, 12.0, {"engine": 4.0}),
        FileRow("all", "throughput", 98, 100, 0.98, 12, {}),
    ]
    ages = np.linspace(5, 11, 100)
    cameras = [CameraRow(600.0, window, 190.0, ages, 0.66, 1.4, 5.0) for window in ("none", "stopped")]
    cameras.append(CameraRow(30.0, "none", 30.0, ages, 0.0, 0.6, 5.0))
    return Report("lite 0123", "openvino bf16", rows, files, cameras)


def test_ratios_are_of_the_rows_that_were_measured():
    found = report().ratios()
    assert found["openvino_fp32_vs_eager"] == 2.0
    assert found["openvino_vs_eager"] == 4.0
    assert found["openvino_bf16_vs_eager_by_clock"] == 4.0
    assert found["pipeline_vs_engine"] == 0.9
    assert found["pipeline_throughput_vs_engine_all_cores"] == 0.98
    bound_ms = 1e3 / 600 + 5
    assert found["p95_age_vs_bound"] == pytest.approx(np.percentile(np.linspace(5, 11, 100), 95) / bound_ms, abs=1e-3)
    assert "p95_age_vs_bound_window_stopped" in found
    assert not any("onnx" in name for name in found)
    assert ratio(timed("a", "fp32", 3.0), timed("b", "fp32", 2.0)) == 1.5


def test_the_report_is_whole_as_json_markdown_and_picture(tmp_path):
    paths = report().write(tmp_path / "new")
    assert [path.name for path in paths] == ["bench.json", "bench.md", "bench.png"]
    read = json.loads(paths[0].read_text())
    assert read["ratios"] == report().ratios()
    assert read["machine"]["versions"]["torch"]
    assert read["engines"][-1] == {"engine": "onnx", "precision": "fp32", "refused": "not installed"}
    text = paths[1].read_text()
    assert "| openvino | bf16 | 5.0 |" in text
    assert paths[2].stat().st_size > 10_000


def test_the_chain_on_the_camera_gives_exact_ages():
    image, K = view()
    engine = FakeEngine(people=[standing((0, 0, 4))])
    row = run_camera(
        engine, Sight([image.copy() for _ in range(60)], [], K), period_s=1 / 60, seconds=0.5, engine_p50_ms=1.0
    )
    assert row.camera_fps == pytest.approx(60)
    assert len(row.age_ms) > 10
    assert 0 <= row.age_ms.min() <= np.median(row.age_ms) < 200
    assert 0 <= row.dropped_share <= 1


def test_quick_is_less_of_everything():
    full, quick = bench_run.FULL, bench_run.QUICK
    assert quick.rounds < full.rounds
    assert quick.camera_s < full.camera_s


def test_several_people_are_timed_in_turns_after_a_first_call(fakes, lite):
    fakes["eager", "fp32"], fakes["openvino", "fp32"] = rough(0.0), rough(0.0)
    _, opened = open_rows(lite, person_sight(), ("openvino",), say=lambda name: None)
    order = []
    for one in opened:
        one.engine.infer = lambda image, boxes, K, name=one.row.engine: order.append((name, len(boxes)))
    time_batches(opened, person_sight())
    turns = bench_engines.BATCH_CALLS + 1
    assert order == [turn for people in (2, 4, 8) for turn in [("eager", people), ("openvino", people)] * turns]
    assert all(sorted(one.row.batch_ms) == [2, 4, 8] for one in opened)


def test_two_runs_are_compared_by_times_and_ratios():
    before, now = report().as_json(), report().as_json()
    now["engines"][1]["p50_ms"] = 8.0
    now["ratios"]["p95_age_vs_bound"] *= 1.5
    now["machine"]["cores"] = 99
    rows = {row["what"]: row for row in comparison(before, now)}
    assert rows["openvino fp32, ms"] == {
        "what": "openvino fp32, ms", "before": 10.0, "now": 8.0, "now_over_before": 0.8, "verdict": "better",
    }  # fmt: skip
    assert rows["p95_age_vs_bound"]["verdict"] == "worse"
    assert rows["pipeline_vs_engine"]["verdict"] == "same"
    assert different_machines(before, now) == [f"cores: {before['machine']['cores']} before, 99 now"]


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1}', '{"schema": 9, "ratios": {}}'])
def test_a_file_that_is_no_report_is_said_in_one_line(tmp_path, text):
    (tmp_path / "bench.json").write_text(text)
    with pytest.raises(UserError, match=r"no report of `python run\.py bench|has schema 9"):
        read_report(tmp_path / "bench.json")


def test_the_readme_shows_what_was_measured():
    text = README.read_text(encoding="utf-8")
    assert renewed(text, read_report(MEASURED)) == text, "python -m realtime.bench.readme"
