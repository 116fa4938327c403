"""int8 and fp8 for TensorRT: what is quantised, what is built of it, and who is refused. Without a card."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from engine.backends import EngineError, _candidates, acceptance, open_engine, quantise
from engine.backends.acceptance import RefusedError, eager_answers, extreme_pictures, rgb
from engine.backends.agreement import Agreement, agreement
from engine.backends.calibration import split_crops
from engine.backends.half_network import PosesInCrops, Prepare
from engine.backends.quantise import QuantisedConv, products_in_half
from engine.backends.tensorrt_build import exported
from engine.backends.tensorrt_plan import plan
from engine.weights import load_weights
from tests.engine.conftest import K
from tests.engine.stand_in import InThisProcess, whole_picture

# of a network of random weights little is asked here; `lite` is measured below
LOOSE = Agreement(median_voxels=5.0, apart=1.0)


@pytest.fixture
def loose(monkeypatch):
    for tolerances in (acceptance.TOLERANCES, acceptance.EXTREME_TOLERANCES):
        for precision in ("int8", "fp8"):
            monkeypatch.setitem(tolerances, precision, LOOSE)
    for module in ("tensorrt_build", "tensorrt", "card_engine", "slots"):
        monkeypatch.setattr(f"engine.backends.{module}.BATCHES", (1,))
    monkeypatch.setattr("engine.backends.pieces.cut_on_card", whole_picture)
    monkeypatch.setattr(
        "engine.backends.tensorrt_build.split_crops", lambda size_px: tuple(part[:8] for part in split_crops(size_px))
    )


def quantised(weights, precision, dtype=torch.float16, crops=4):
    network = PosesInCrops(weights, dtype)
    size_px = weights.architecture.input_px
    quantise.quantise(network, precision, Prepare(dtype)(rgb(split_crops(size_px)[0][:crops])))
    return network


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_convolutions_of_the_body_are_quantised_and_nothing_else(small_weights, precision):
    network = quantised(small_weights, precision)
    half = [name for name, m in network.named_modules() if _multiplies(m) and not name.endswith(".conv")]
    assert set(half) == {
        "network.conv1",
        *(f"network.cbam_{where}.spatial" for where in ("in", "out")),
        *(f"network.deconv.{i}.0" for i in range(3)),
        "network.presence",
        "network.head",
    }
    convs = [m for m in network.modules() if isinstance(m, QuantisedConv)]
    shapes = {tuple(m.range.shape) for m in convs}
    assert {len(shape) for shape in shapes} == ({4} if precision == "int8" else {0})
    assert all(m.range.numel() == m.conv.out_channels for m in convs) == (precision == "int8")
    assert {tuple(m.taken.shape) for m in convs} == {()}


def _multiplies(module):
    return isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(("precision", "exponent_bits"), [("int8", 0), ("fp8", 4)])
def test_the_graph_that_tensorrt_gets_multiplies_quantised_by_quantised(small_weights, precision, exponent_bits):
    network = quantised(small_weights, precision)
    program = exported(network, torch.zeros(2, 3, 64, 64, dtype=torch.float16))
    pairs = [n for n in program.graph.nodes if "quantize_op" in str(n.target)]
    convs = sum(isinstance(m, QuantisedConv) for m in network.modules())
    assert len(pairs) == 2 * convs
    assert {(n.args[2], n.args[3]) for n in pairs} == {(8, exponent_bits)}
    assert {n.meta["val"].dtype for n in pairs} == {torch.float16}
    fed = [n for n in program.graph.nodes if "conv2d" in str(n.target) and n.args[1] in pairs]
    assert len(fed) == convs
    assert all(n.args[0] in pairs for n in fed)
    # first convolution, two attentions of three products each, presence, three deconvolutions, head
    assert products_in_half(program) == 1 + 2 * 3 + 1 + 3 + 1


@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_a_quantised_engine_is_built_read_back_and_runs(fake, loose, small_weights, picture, boxes, precision):
    with open_engine("tensorrt", small_weights, precision=precision) as engine:
        assert engine.description == f"TensorRT, {precision} on cpu"
        assert np.isfinite(engine.infer(picture, boxes[:2], K).joints).all()
    layers = plan(small_weights, precision=precision).about()["batches"]["1"]["multiplying_layers"]
    assert set(layers) == {precision, "fp16"}
    assert layers[precision] > layers["fp16"]


def test_what_is_multiplied_in_half_precision_after_all_is_refused(fake, loose, small_weights):
    fake.setenv("FAKE_TENSORRT", "dequantised")
    with pytest.raises(RefusedError, match=r"not build the engine in int8: of its multiplying layers \d+ in fp16 \(12"):
        open_engine("tensorrt", small_weights, precision="int8")


def test_a_quantised_network_that_disagrees_is_refused(fake, loose, small_weights):
    fake.setitem(acceptance.TOLERANCES, "int8", Agreement(median_voxels=0.0, apart=0.0))
    with pytest.raises(RefusedError, match="the tensorrt engine in int8 disagrees with eager"):
        open_engine("tensorrt", small_weights, precision="int8")


def test_engines_are_kept_by_precision_and_by_the_version_that_quantised(fake, small_weights):
    names = {plan(small_weights, precision=precision).name for precision in ("fp16", "int8", "fp8")}
    fake.setattr(quantise, "version", lambda package: "0.46.1")
    names |= {plan(small_weights, precision=precision).name for precision in ("fp16", "int8")}
    assert len(names) == 4


def test_without_modelopt_or_on_an_old_card_it_is_said_in_one_line(fake, small_weights):
    fake.setattr(quantise, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"int8 on a card needs nvidia-modelopt; `pip install .*tensorrt-int8"):
        open_engine("tensorrt", small_weights, precision="int8")
    fake.setattr("torch.cuda.get_device_capability", lambda device: (8, 6))
    with pytest.raises(EngineError, match=r"fp8 needs a card of compute capability 8\.9, this one has 8\.6"):
        quantise.check("fp8", torch.device("cuda", 0))
    assert InThisProcess.built == 0


def test_modelopt_that_does_not_load_is_said_in_one_line(fake, loose, small_weights):
    fake.setattr(InThisProcess, "kept", {})
    fake.setitem(sys.modules, "modelopt.torch.quantization", None)
    with pytest.raises(EngineError, match="nvidia-modelopt does not load") as refused:
        open_engine("tensorrt", small_weights, precision="int8")
    assert "\n" not in str(refused.value)


def test_auto_takes_int8_of_the_card_once_it_is_built_and_of_the_cpu_before(fake, loose, small_weights):
    assert _candidates("auto", "int8") == ["tensorrt", "openvino"]
    assert _candidates("cuda", "int8") == _candidates("auto", "fp8") == ["tensorrt"]
    with pytest.raises(EngineError, match="no TensorRT engine is built"):
        open_engine("auto", small_weights, device="cuda", precision="int8")
    open_engine("tensorrt", small_weights, precision="int8").close()
    with open_engine("auto", small_weights, precision="int8") as engine:
        assert engine.name == "tensorrt"


def test_cuda_runs_in_half_precision_until_int8_is_built(fake, loose, small_weights, picture, boxes):
    fake.setattr("engine.backends.pieces.cut_on_card", whole_picture)
    with open_engine("tensorrt", small_weights, precision="int8", background=True) as engine:
        assert engine.description.startswith("CUDA graphs, fp16 on cpu")


@pytest.mark.slow
@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(("precision", "apart"), [("int8", 0.06), ("fp8", 0.05)])
def test_the_quantised_lite_network_stays_near_eager(precision, apart):
    """On all crops that were held out, with the CPU's arithmetic; the tolerances of the engines leave room above."""
    weights = load_weights("lite")
    network = quantised(weights, precision, torch.float32, crops=None)
    held_out = split_crops(weights.architecture.input_px)[1]
    pictures = np.concatenate([held_out, extreme_pictures(weights.architecture.input_px)])
    theirs = eager_answers(weights, pictures, torch.device("cpu"))
    with torch.inference_mode():
        ours = network(Prepare(torch.float32)(rgb(pictures)))[0].numpy()
    people = agreement(ours[: len(held_out)], theirs[: len(held_out)], weights.architecture)
    assert people.within(Agreement(median_voxels=0.05, apart=apart)), people
    nothing = agreement(ours[len(held_out) :], theirs[len(held_out) :], weights.architecture)
    assert nothing.within(acceptance.EXTREME_TOLERANCES[precision]), nothing


@pytest.mark.filterwarnings("ignore")  # of packages that modelopt would like to have
def test_the_real_modelopt_finds_the_ranges_that_the_stand_in_finds(small_weights, request):
    pytest.importorskip("modelopt")
    pytest.importorskip("huggingface_hub")
    networks = {precision: quantised(small_weights, precision) for precision in ("int8", "fp8")}
    for network in networks.values():
        assert products_in_half(exported(network, torch.zeros(1, 3, 64, 64, dtype=torch.float16))) == 12
    real = {precision: _ranges(network) for precision, network in networks.items()}
    for name in [n for n in sys.modules if n.split(".")[0] == "modelopt"]:
        del sys.modules[name]
    request.getfixturevalue("fake")
    for precision, ranges in real.items():
        found = _ranges(quantised(small_weights, precision))
        assert found.keys() == ranges.keys()
        for name, pair in found.items():
            torch.testing.assert_close(pair, ranges[name], rtol=1e-3, atol=1e-5)


def _ranges(network):
    return {name: (m.taken, m.range) for name, m in network.named_modules() if isinstance(m, QuantisedConv)}
