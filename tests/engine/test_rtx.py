"""TensorRT for RTX without a card: ONNX Runtime's own devices and sessions, with the CPU in the card's place."""

import sys
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest

import run
from engine.backends import EngineError, open_engine, rtx
from engine.backends.acceptance import TOLERANCES, RefusedError
from engine.backends.agreement import Agreement, voxels_apart
from engine.backends.eager import EagerEngine
from engine.weights import write_weights
from tests.engine.conftest import K
from tests.engine.stand_in import FAKE


@pytest.fixture
def plugin(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FAKE))
    monkeypatch.setenv("POSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(rtx, "BATCHES", (1, 8))
    monkeypatch.setattr("engine.backends.slots.BATCHES", (1, 8))
    yield monkeypatch
    sys.modules.pop(rtx.PLUGIN, None)


@pytest.fixture(scope="module")
def exported(small_weights, unchecked_tracing, tmp_path_factory):
    """What is written once for these weights: the export takes seconds."""
    folder = tmp_path_factory.mktemp("rtx")
    rtx._prepared(small_weights, "fp16", folder)
    return folder


@pytest.fixture
def ready(plugin, exported):
    """As if it had been exported before."""

    def prepared(weights, precision, folder):
        for file in exported.iterdir():
            if file.is_file():
                (folder / file.name).write_bytes(file.read_bytes())
        (folder / rtx.COMPILED).mkdir()

    plugin.setattr(rtx, "_prepared", prepared)
    return plugin


def test_every_person_is_answered_as_eager_does(ready, small_weights, picture, boxes):
    with open_engine("rtx", small_weights) as engine:
        assert engine.name == "rtx"
        assert engine.description.startswith("TensorRT for RTX, fp16 on ")
        theirs = EagerEngine(small_weights).infer(picture, boxes, K)
        for count in (0, 1, 3, len(boxes)):
            ours = engine.infer(picture, boxes[:count], K)
            assert ours.joints.shape == (count, len(engine.skeleton), 7)
            apart = voxels_apart(ours.joints, theirs.joints[:count], small_weights.architecture)
            assert count == 0 or np.median(apart) < 0.05
            np.testing.assert_allclose(ours.presence, theirs.presence[:count], atol=0.02)


def test_the_graph_converts_bytes_first_and_multiplies_in_half_precision(exported):
    graph = onnx.shape_inference.infer_shapes(onnx.load(exported / rtx.MODEL)).graph
    takes_bytes = {node.op_type for node in graph.node if "crops" in node.input}
    assert takes_bytes - {"Shape"} == {"Cast"}
    weights = {tensor.name: tensor.data_type for tensor in graph.initializer}
    multiply = [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul")]
    assert len(multiply) > 30
    kinds = {weights[name] for node in multiply for name in node.input[1:2] if name in weights}
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert not {node.op_type for node in graph.node} & {"GridSample", "ArgMax", "TopK"}


def test_nothing_is_left_to_work_out_of_shapes_where_the_batch_is_known(ready, exported):
    session = rtx._session(exported, rtx._card(0), 8)
    kinds = {node.op_type for part in session.get_provider_graph_assignment_info() for node in part.get_nodes()}
    assert "Conv" in kinds
    assert not kinds & {"Shape", "Range", "NonZero", "Loop", "If"}


def test_what_says_something_else_is_refused_until_it_is_compiled_again(ready, small_weights, tmp_path, capsys):
    with ready.context() as patch:
        patch.setitem(TOLERANCES, "fp16", Agreement(median_voxels=-1.0, apart=0.0))
        with pytest.raises(RefusedError, match="the rtx engine in fp16 disagrees with eager"):
            open_engine("rtx", small_weights)
    with pytest.raises(RefusedError, match=r"compile --engine rtx` tries again"):
        open_engine("rtx", small_weights)
    write_weights(small_weights, tmp_path / "small.safetensors")
    assert run.main(["compile", "--engine", "rtx", "--weights", str(tmp_path / "small.safetensors")]) == 0
    assert "accepted; kept in" in capsys.readouterr().out
    open_engine("rtx", small_weights).close()


def test_a_graph_of_which_a_part_would_run_elsewhere_is_refused(ready, small_weights):
    part = SimpleNamespace(ep_name="Slow", get_nodes=lambda: [SimpleNamespace(op_type="GatherElements")])
    ready.setattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info", lambda self: [part])
    with pytest.raises(RefusedError, match="TensorRT for RTX leaves GatherElements to Slow"):
        open_engine("rtx", small_weights)


def test_a_library_that_does_not_load_is_said_in_one_line(plugin, small_weights):
    import onnxruntime_ep_nv_tensorrt_rtx as stand_in  # pyright: ignore[reportMissingImports]

    plugin.setattr(stand_in, "get_ep_name", lambda: "NvTensorRTRTXExecutionProvider")
    with pytest.raises(EngineError, match=r"does not load .*cannot open shared object file") as refused:
        open_engine("rtx", small_weights)
    assert "\n" not in str(refused.value)


def test_a_session_that_fails_or_a_card_that_is_not_there_is_said_in_one_line(ready, small_weights):
    with pytest.raises(EngineError, match="sees 1 cards"):
        open_engine("rtx", small_weights, device="cuda:3")
    ready.setattr(rtx, "_prepared", lambda weights, precision, folder: (folder / rtx.MODEL).write_text("no model"))
    with pytest.raises(EngineError, match=r"the rtx engine does not start .*compile --engine rtx --force`"):
        open_engine("rtx", small_weights)


def test_it_needs_its_package_and_a_card(small_weights, capsys):
    with pytest.raises(EngineError, match=r'rtx needs onnxruntime_ep_nv_tensorrt_rtx; `pip install -e "\.\[rtx\]"`'):
        open_engine("rtx", small_weights)
    assert run.main(["compile", "--engine", "rtx"]) == 1
    assert "rtx needs" in capsys.readouterr().err
