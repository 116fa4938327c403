"""A card's work in fewer kernels: Triton's interpreter, its compiler without a card, the search for convolutions."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import engine.backends.pieces
from engine.backends.acceptance import RefusedError
from engine.backends.card_crop import NUMBERS, crop_numbers, cut_on_card
from engine.backends.cuda import CudaEngine
from engine.backends.fold import fold_batchnorm
from engine.backends.fused_network import ConvRelu, aten, fused
from engine.backends.half_network import PosesInCrops, Prepare
from engine.backends.lanes import DirectLane
from engine.backends.pieces import PLAIN, Pieces, faster, faster_cut, own_kernels, pays, plain_pieces
from engine.backends.slots import outputs_of
from engine.crop import Box, camera_matrix
from engine.decode import decode
from engine.model import ARCHITECTURES, Architecture, PoseResNet
from engine.weights import load_weights

pytest.importorskip("triton")
SIZE = (640, 360)
K = camera_matrix(*SIZE, fov_deg=60)
# Turing, Ampere twice, Ada, Hopper, Blackwell
CARDS = (75, 80, 86, 89, 90, 120)


@pytest.fixture(scope="module")
def interpreted():
    """The kernels as Triton's interpreter runs them (tests/conftest.py chooses it where there is no card)."""
    if os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("a card runs the kernels themselves")
    from engine.backends import triton_crop, triton_decode

    return {"triton_crop": triton_crop, "triton_decode": triton_decode}


@pytest.mark.parametrize(
    ("shape", "last", "window"),
    [
        *(((2, 3, 5, 7, 9), last, window) for last in (False, True) for window in (3, 1, None)),
        ((1, 2, 32, 48, 48), True, 3),  # of `lite`
        ((1, 2, 32, 48, 48), False, None),
        ((1, 1, 64, 64, 64), True, 3),  # of `full`
        ((2, 25, 8, 12, 12), True, 3),  # joints of body25
    ],
)
def test_the_decode_kernels_read_what_the_reference_reads(interpreted, shape, last, window):
    torch.manual_seed(0)
    volume, presence = 4 * torch.randn(shape), torch.randn(shape[0])
    if last:
        volume = volume.flatten(1, 2).contiguous(memory_format=torch.channels_last).unflatten(1, shape[1:3])
    outputs = torch.zeros(shape[0], shape[1] * 7 + 1)
    interpreted["triton_decode"].decode_into(outputs, volume, presence, window=window)
    torch.testing.assert_close(outputs[:, :-1], decode(volume, window=window).flatten(1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(outputs[:, -1], presence.sigmoid())


def test_peaks_in_a_corner_and_huge_logits_are_read(interpreted):
    volume = torch.zeros(1, 4, 8, 12, 12)
    for joint, (row, column) in enumerate([(0, 0), (0, 11), (11, 0), (11, 11)]):
        volume[0, joint, :, row, column] = 3e4  # near the end of half precision
    outputs = torch.zeros(1, 29)
    interpreted["triton_decode"].decode_into(outputs, volume.half(), torch.zeros(1), window=3)
    torch.testing.assert_close(outputs[0, :-1].view(4, 7), decode(volume, window=3)[0], atol=1e-5, rtol=1e-5)


def test_what_is_not_a_number_stays_none(interpreted):
    volume = torch.randn(1, 2, 8, 12, 12)
    volume[0, 0, 3, 4, 5] = torch.nan
    outputs = torch.zeros(1, 2 * 7 + 1)
    interpreted["triton_decode"].decode_into(outputs, volume, torch.zeros(1), window=3)
    assert outputs[0, :7].isnan().any()
    assert outputs[0, 7:14].isfinite().all()


@pytest.mark.parametrize("side_px", [30.0, 100.0, 150.0, 300.0, 500.0])
def test_the_crop_kernel_cuts_what_the_reference_cuts(interpreted, side_px):
    """In the middle and beyond an edge; shrunk by 1 to more than TAPS."""
    frame = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8))
    boxes = [Box(np.array([300.0, 180.0]), side_px), Box(np.array([630.0, 10.0]), side_px)]
    numbers = torch.from_numpy(np.stack([crop_numbers(box, K, 64, SIZE) for box in boxes]))
    expected = Prepare(torch.float16)(cut_on_card(frame, numbers, size_px=64))
    for memory_format in (torch.channels_last, torch.contiguous_format):
        pictures = torch.zeros(2, 3, 64, 64, dtype=torch.float16).contiguous(memory_format=memory_format)
        interpreted["triton_crop"].cut_into(pictures, frame, numbers, block=4096)
        torch.testing.assert_close(pictures, expected, atol=0, rtol=0)


def test_the_kernels_compile_for_cards_that_are_not_here():
    """Down to machine code, with the sizes of `lite`: what the interpreter lets pass and the compiler does not."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "compile_kernels.py"), *map(str, CARDS)],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert [line.split()[:2] for line in lines if line] == [
        [str(card), kernel] for card in CARDS for kernel in ("_cut", "_block_sums", "_read_joints")
    ]


# --- convolutions -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights():
    return load_weights("lite")


@pytest.mark.parametrize(
    ("architecture", "steps"),
    [(Architecture(18, 192, 128, 32, lateral=True), 28), (ARCHITECTURES["lite"], 60), (ARCHITECTURES["full"], 60)],
    ids=["basic", "lite", "full"],
)
def test_a_fused_network_says_the_same_in_fewer_steps(architecture, steps):
    torch.manual_seed(0)
    network = fold_batchnorm(PoseResNet(architecture).eval())
    other, crops = fused(network), torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(other(crops), network(crops), atol=1e-5, rtol=1e-5)
    left = Counter(type(module).__name__ for module in other.modules())
    assert left["ConvRelu"] == steps
    assert left["ReLU"] == left["Identity"] == 0
    assert {id(p) for p in other.parameters()} <= {id(p) for p in network.parameters()}


def test_a_lateral_map_is_added_by_its_convolution():
    other = fused(fold_batchnorm(PoseResNet(ARCHITECTURES["lite"]).eval()))
    added = [n for n in other.graph.nodes if n.op == "call_module" and len(n.args) == 2]
    assert sum("lateral" in n.target for n in added) == 3
    assert len(added) == 3 + 16  # of each residual block one


def test_convolutions_that_others_need_too_stay_whole():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 1)

        def forward(self, x):
            y = self.conv(x)
            return torch.relu(y) + y

    network, x = Twice().eval(), torch.randn(1, 2, 4, 4)
    other = fused(network)
    assert not any(isinstance(m, ConvRelu) for m in other.modules())
    torch.testing.assert_close(other(x), network(x))


def test_cudnn_takes_what_it_is_given_in_this_order():
    for name, given in (
        ("cudnn_convolution_relu", ["self", "weight", "bias", "stride", "padding", "dilation", "groups"]),
        (
            "cudnn_convolution_add_relu",
            ["self", "weight", "z", "alpha", "bias", "stride", "padding", "dilation", "groups"],
        ),
    ):
        assert [argument.name for argument in getattr(aten, name).default._schema.arguments] == given


# --- what pays --------------------------------------------------------------------------------------------------------


class Timed(DirectLane):
    """A lane whose clock is set: the first that is timed takes `plain_ms`, the second `other_ms`."""

    def __init__(self, plain_ms=2.0, other_ms=1.0):
        super().__init__()
        self.times, self.runs, self.released = {0: plain_ms, 1: other_ms}, [], 0

    def record(self, work):
        work()
        self.runs.append(work)
        return work

    def time_ms(self, run):
        return self.times[(len(self.runs) - 1) % 2]

    def release(self):
        self.released += 1


ONES = torch.ones(4)


@pytest.mark.parametrize(
    ("other", "lane", "expected"),
    [
        (lambda: ONES, Timed(), True),
        (lambda: ONES, Timed(other_ms=3.0), False),
        (lambda: ONES * 1.5, Timed(), False),
        (lambda: ONES * torch.nan, Timed(), False),
    ],
)
def test_only_what_says_the_same_in_less_time_pays(other, lane, expected):
    assert pays(lane, "network", lambda: ONES, other) is expected
    assert lane.released == 2


def test_what_does_not_run_does_not_pay(caplog):
    def broken():
        raise RuntimeError("Failed to find C compiler")

    with caplog.at_level("INFO"):
        assert not pays(Timed(), "crop", lambda: ONES, broken)
    assert "Failed to find C compiler" in caplog.text


@pytest.fixture
def kernels(monkeypatch, interpreted):
    """Triton's, interpreted; the crop in pieces that do not take minutes so."""

    def cut(pictures, frame_bgr, numbers):
        interpreted["triton_crop"].cut_into(pictures, frame_bgr, numbers, block=65536)

    monkeypatch.setattr(interpreted["triton_decode"], "CELLS_PER_BLOCK", 1024)
    monkeypatch.setattr(engine.backends.pieces, "own_kernels", lambda: (cut, interpreted["triton_decode"].decode_into))


def test_where_all_of_it_pays_nothing_is_pytorchs_and_the_numbers_stay(kernels, weights):
    plain = plain_pieces(weights, torch.float32, torch.device("cpu"))
    quick = faster(plain, Timed())
    assert quick.fused == ("crop", "network", "decode")
    frame = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8))
    box = Box(np.array([160.0, 120.0]), 200.0)
    numbers = torch.from_numpy(crop_numbers(box, camera_matrix(320, 240, fov_deg=60), 192, (320, 240))[None])
    outputs = torch.zeros(2, 1, outputs_of(len(weights.skeleton)))
    with torch.inference_mode():
        for pieces, out in zip((plain, quick), outputs, strict=True):
            pieces.run(frame, numbers, out)
    torch.testing.assert_close(outputs[1], outputs[0], atol=1e-4, rtol=1e-4)


def test_where_nothing_pays_or_nothing_else_is_wanted_all_stays(kernels, weights, monkeypatch):
    plain = plain_pieces(weights, torch.float32, torch.device("cpu"))
    assert faster(plain, Timed(other_ms=9.0)).fused == ()
    monkeypatch.setenv(PLAIN, "1")
    assert faster(plain, Timed()) is plain
    assert faster_cut(plain.cut, Timed(), 192, torch.float32) == (plain.cut, "")


def test_without_triton_the_convolutions_alone_are_fused(monkeypatch, weights):
    monkeypatch.setitem(sys.modules, "triton", None)
    for name in ("triton_crop", "triton_decode"):
        monkeypatch.delitem(sys.modules, f"engine.backends.{name}", raising=False)
    with pytest.raises(ImportError):
        own_kernels()
    plain = plain_pieces(weights, torch.float32, torch.device("cpu"))
    assert faster(plain, Timed()).fused == ("network",)


def test_an_engine_whose_fused_steps_disagree_runs_on_pytorchs(monkeypatch, small_weights, caplog):
    """They passed by themselves, and yet the engine as a whole says something else than eager."""

    class Card(DirectLane):
        def __init__(self):
            super().__init__()
            self.device = torch.device("cpu")

    def spoiled(pieces, lane):
        def decode_wrongly(outputs, volume, presence, *, window):
            pieces.decode(outputs, volume, presence, window=window)
            outputs.add_(0.3)

        return Pieces(pieces.cut, pieces.network, decode_wrongly, pieces.size_px, pieces.dtype, pieces.window, ("all",))

    monkeypatch.setattr("engine.backends.cuda.faster", spoiled)
    monkeypatch.setattr("engine.backends.cuda.on_a_card", lambda lane: True)
    with CudaEngine(small_weights, precision="fp32", lane=Card()) as engine_:
        assert "fused" not in engine_.description
    assert "disagrees with eager" in caplog.text
    monkeypatch.setattr(
        "engine.backends.cuda.plain_pieces", lambda *a: replace(spoiled(plain_pieces(*a), None), fused=())
    )
    with pytest.raises(RefusedError):
        CudaEngine(small_weights, precision="fp32", lane=Card())


@pytest.mark.gpu
def test_on_a_card_the_engine_says_which_steps_are_fused(weights):
    with CudaEngine(weights) as engine_:
        print(engine_.description)
        assert "fused" in engine_.description
    network = PosesInCrops(weights, torch.float16).cuda().network
    pictures = torch.randn(2, 3, 192, 192, device="cuda", dtype=torch.float16)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        apart = (fused(network)(pictures)[0] - network(pictures)[0]).float().abs().mean()
    assert apart < 0.05


class Kernels(TorchDispatchMode):
    """Counts what a card would run: operations that are not views."""

    VIEWS = ("view", "permute", "transpose", "select", "slice", "squeeze", "expand", "detach", "t.default", "empty")

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += not any(name in str(func) for name in self.VIEWS)
        return func(*args, **(kwargs or {}))


def test_a_third_of_the_kernels_is_left(weights):
    """Counted as operations; on a card a convolution of PyTorch's adds its bias in one more."""
    plain = plain_pieces(weights, torch.float32, torch.device("cpu"))
    frame, numbers = torch.zeros(240, 320, 3, dtype=torch.uint8), torch.zeros(1, NUMBERS)
    numbers[0] = torch.tensor(crop_numbers(Box(np.array([160.0, 120.0]), 200.0), K, 192, (320, 240)))
    with torch.inference_mode(), Kernels() as all_of_it:
        plain.run(frame, numbers, torch.zeros(1, outputs_of(len(weights.skeleton))))
    crops, other = plain.pictures(1, torch.device("cpu")).zero_(), fused(plain.network)
    for module in other.modules():
        if isinstance(module, ConvRelu):
            module.forward = lambda x, z=None, conv=module.conv: conv(x)  # one kernel each
    with torch.inference_mode(), Kernels() as network:
        other(crops)
    ours = network.count + 1 + 2  # the crop's, the decode's
    print(f"{all_of_it.count} operations, {ours} with everything fused")
    assert ours < all_of_it.count / 3
