"""The bench of a card, without one: work that is counted, stages that do what the engine does, made-up times."""

import json

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from engine.backends import EngineError
from engine.backends.cuda import CudaEngine
from engine.backends.eager import EagerEngine
from engine.backends.lanes import DirectLane
from engine.backends.pieces import plain_pieces
from engine.weights import load_weights
from realtime.bench import engines as bench_engines
from realtime.bench import stages
from realtime.bench.engines import EngineRow, OpenedRow, open_rows, time_on_card
from realtime.bench.readme import BEGIN, renewed
from realtime.bench.roofline import Layer, Peaks, measured_peaks, network_layers
from realtime.bench.scene import read_sights
from realtime.bench.stages import STAGES, CardRows, StageRow, time_stages
from realtime.marked import END
from tests.engine.conftest import small_weights  # noqa: F401 - a fixture
from tests.realtime.fake_engine import FakeEngine
from tests.realtime.test_bench import report

PEAKS = Peaks(flop_per_s=100e12, bytes_per_s=1e12)


def test_work_of_a_layer_is_as_counted_by_hand():
    weights = load_weights("lite")
    layers, joints = network_layers(weights, 2), len(weights.skeleton)
    # the first convolution: 7 x 7, 3 to 64 channels with a bias, of 192 x 192 to 96 x 96, two crops, two bytes a value
    flop = 2 * (2 * 64 * 96 * 96) * (3 * 7 * 7)
    values = 2 * 3 * 192 * 192 + 64 * 3 * 7 * 7 + 64 + 2 * 64 * 96 * 96
    assert layers[0] == Layer(flop, 2 * values)
    # the head: 1 x 1, 128 channels to a volume of 32 planes for each joint, then the decode, which reads these once
    volume = 2 * joints * 32 * 48 * 48
    assert layers[-2] == Layer(2 * volume * 128, 2 * (2 * 128 * 48 * 48 + 128 * 32 * joints + 32 * joints + volume))
    assert layers[-1] == Layer(0.0, 2 * volume)


@pytest.mark.parametrize("people", [1, 8])
def test_the_work_is_what_pytorch_counts(people):
    weights = load_weights("lite")
    network = weights.network().to("meta")
    side = weights.architecture.input_px
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(people, 3, side, side, device="meta"))
    # CBAM's shared network runs once in ours: twice in the network as it was trained
    ours = sum(layer.flop for layer in network_layers(weights, people))
    assert ours == pytest.approx(counter.get_total_flops(), rel=1e-3)
    assert ours / people > 2e9


def test_the_roofline_takes_the_longer_of_products_and_bytes_for_each_layer():
    assert PEAKS.least_ms([Layer(100e9, 1e6), Layer(1e6, 2e9)]) == pytest.approx(1.0 + 2.0)


def test_peaks_are_measured_where_it_runs():
    peaks = measured_peaks(DirectLane(), precision="fp32", side=256, copied=2**20)
    assert 1e8 < peaks.flop_per_s < 1e15
    assert 1e7 < peaks.bytes_per_s < 1e14


def test_the_stages_give_what_the_engine_gives(small_weights, monkeypatch):  # noqa: F811
    monkeypatch.setattr(stages, "TIMES", 1)
    sight, lane = read_sights(1), Keeping()
    row = time_stages(small_weights, lane, sight, PEAKS, 2, "fp32")
    assert tuple(row.ms) == STAGES
    assert all(ms > 0 for ms in row.ms.values())
    assert row.roofline_share > 0
    outputs, frame, numbers = lane.outputs, lane.frame, lane.numbers
    with torch.inference_mode():
        expected = torch.zeros_like(outputs)
        plain_pieces(small_weights, torch.float32, torch.device("cpu")).run(frame, numbers, expected)
    torch.testing.assert_close(outputs, expected, atol=1e-4, rtol=1e-4)


class Keeping(DirectLane):
    """Keeps what went up and down."""

    def upload(self, target, source):
        super().upload(target, source)
        self.frame = target

    def copy(self, target, source):
        super().copy(target, source)
        self.outputs = target

    @property
    def numbers(self):
        from engine.backends.card_crop import crop_numbers

        sight = read_sights(1)
        one = torch.from_numpy(crop_numbers(sight.boxes[0], sight.K, 64, (1280, 720)))
        return torch.stack([one, one])


def with_card():
    made = report()
    times = dict(zip(STAGES, (0.2, 0.1, 0.5, 0.1, 0.01), strict=True))
    rows = CardRows(PEAKS, [StageRow(people, times, 0.15 * people) for people in (1, 2)])
    made.engines[1].device_ms = {1: 0.75, 2: 1.1}
    made.engines[1].build_s = 321.0
    return type(made)(made.weights, made.chosen, made.engines, made.files, made.cameras, rows)


def test_what_the_card_says_is_in_json_markdown_and_readme(tmp_path):
    read = json.loads(with_card().write(tmp_path)[0].read_text())
    assert (read["card"]["peak_tflops"], read["card"]["peak_gb_per_s"]) == (100.0, 1000.0)
    first = read["card"]["stages"][0]
    assert (first["network_ms"], first["sum_ms"], first["roofline_share"]) == (0.5, 0.91, 0.25)
    assert read["engines"][1]["device_ms"] == {"1": 0.75, "2": 1.1}
    assert read["engines"][1]["build_s"] == 321.0
    text = with_card().as_markdown()
    assert "stage by stage; measured peaks 100 TFLOP/s, 1000 GB/s" in text
    readme = renewed(f"a {BEGIN} {END} b", read)
    assert "| 1 | 0.200 | 0.100 | 0.500 | 0.100 | 0.010 | 0.910 | 25 % |" in readme
    assert "| people | upload | crop | network | decode | download | sum | share of the roofline |" in readme


def test_without_a_card_nothing_is_said_of_one():
    assert "card" not in report().as_json()
    assert "roofline" not in report().as_markdown()
    assert all("device_ms" not in row and "build_s" not in row for row in report().as_json()["engines"])


def test_engines_for_cards_are_timed_by_the_devices_clock(small_weights, monkeypatch):  # noqa: F811
    monkeypatch.setattr("engine.backends.card_engine.DEVICE_TIMES", 1)
    monkeypatch.setattr(bench_engines, "PEOPLE", (2,))
    sight = read_sights(1)
    with CudaEngine(small_weights, precision="fp32", lane=DirectLane()) as card:
        rows = [OpenedRow(EngineRow("cuda", "fp32"), card), OpenedRow(EngineRow("eager", "fp32"), FakeEngine())]
        time_on_card(rows, sight)
        assert list(rows[0].row.device_ms) == [1, 2]
        assert min(rows[0].row.device_ms.values()) > 0
        assert np.isfinite(card.infer(sight.images[0], sight.boxes, sight.K).joints).all()
    assert rows[1].row.device_ms == {}


def test_building_and_loading_are_told_apart(small_weights, monkeypatch):  # noqa: F811
    opened = []

    def open_fake(name, weights, *, precision):
        opened.append(precision)
        if name != "tensorrt":
            return EagerEngine(weights)
        if precision == "int8":
            raise EngineError("int8 on a card needs nvidia-modelopt")
        return CudaEngine(weights, precision="fp32", lane=DirectLane())

    monkeypatch.setattr(bench_engines, "open_engine", open_fake)
    monkeypatch.setattr(bench_engines, "_build_s", lambda weights, precision: 300.0)
    monkeypatch.setitem(bench_engines.ROWS, "tensorrt", ("fp16", "int8"))
    rows, running = open_rows(small_weights, read_sights(1), ("tensorrt",), say=lambda name: None)
    assert opened == ["fp32", "fp16", "fp16", "int8"]  # fp16: built or found, then loaded
    assert rows[1].build_s == 300.0
    assert 0 < rows[1].open_s < 300
    assert rows[2].refused == "int8 on a card needs nvidia-modelopt"
    for one in running:
        one.engine.close()


def test_an_engine_that_does_not_open_is_asked_once(small_weights, monkeypatch):  # noqa: F811
    def open_fake(name, weights, *, precision):
        if name == "tensorrt":
            raise EngineError("tensorrt needs torch_tensorrt")
        return EagerEngine(weights)

    monkeypatch.setattr(bench_engines, "open_engine", open_fake)
    rows, _ = open_rows(small_weights, read_sights(1), ("tensorrt",), say=lambda name: None)
    assert [row.name for row in rows] == ["eager fp32", "tensorrt fp16"]
