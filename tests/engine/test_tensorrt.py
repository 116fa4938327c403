"""TensorRT without a card: the graph that goes in, and all that is done with what comes out of a stand-in.

The stand-in is a package of its own (`fake_tensorrt`): processes that build import it as they would the real one.
"""

import json
import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from engine.backends import EngineError, open_engine, torchtrt
from engine.backends.acceptance import (
    JUDGED_CROPS,
    TOLERANCES,
    RefusedError,
    accept,
    eager_answers,
    extreme_pictures,
    judged_pictures,
    rgb,
)
from engine.backends.agreement import Agreement
from engine.backends.building import Build
from engine.backends.cache import cache_folder
from engine.backends.cuda import CudaEngine
from engine.backends.half_network import TYPES, PosesInCrops, Prepare
from engine.backends.lanes import DirectLane
from engine.backends.precisions import check_precisions, multiplying_precisions
from engine.backends.slots import BATCHES
from engine.backends.tensorrt_build import Job, exported
from engine.backends.tensorrt_build import build as build_here
from engine.backends.tensorrt_plan import build, plan
from engine.model import ARCHITECTURES, PoseResNet
from engine.skeleton import BODY25
from engine.weights import load_weights, write_weights
from tests.engine.conftest import SMALL, K
from tests.engine.stand_in import InThisProcess, whole_picture

# operations for which torch_tensorrt 2.11.0, 2.12.1 and 2.13.0 all have a converter
CONVERTERS = set((Path(__file__).parent / "tensorrt_converters.txt").read_text(encoding="utf-8").split())


def open_now(weights, **options):
    return open_engine("tensorrt", weights, precision="fp32", **options)


# --- what goes in -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["lite", "lite-sized", "full-sized"])
def half_graph(request, unchecked_tracing):
    """The half-precision graph as TensorRT gets it, with PyTorch's own decompositions."""
    weights = load_weights("lite")
    if request.param.endswith("-sized"):
        weights = untrained(weights, request.param.removesuffix("-sized"))
    network = PosesInCrops(weights, torch.float16)
    side = weights.architecture.input_px
    return exported(network, torch.zeros(2, 3, side, side, dtype=torch.float16)).run_decompositions()


def untrained(weights, name):
    return replace(weights, architecture=ARCHITECTURES[name], state=PoseResNet(ARCHITECTURES[name]).state_dict())


def calls(graph):
    return [node for node in graph.graph.nodes if node.op == "call_function"]


def test_every_operation_of_the_graph_has_a_converter(half_graph):
    # TensorRT's own passes take these away, or join them to one that has a converter
    lowered = {"aten._assert_tensor_metadata.default", "aten.full_like.default", "aten.max_pool2d_with_indices.default"}
    used = {str(node.target) for node in calls(half_graph) if "getitem" not in str(node.target)}
    assert "aten.convolution.default" in used
    assert used - CONVERTERS <= lowered


def test_nothing_is_in_the_graph_that_tensorrt_gets_wrong(half_graph):
    used = " ".join(str(node.target) for node in calls(half_graph))
    for bad in ("adaptive_max_pool", "grid_sampl", "argmax", "sort", "topk"):
        assert bad not in used
    transposed = [n for n in calls(half_graph) if "convolution" in str(n.target) and n.args[6]]
    assert len(transposed) == 3
    assert all(set(node.args[7]) == {0} for node in transposed)  # output_padding


def test_every_product_of_the_half_graph_is_half_and_the_decode_is_not(half_graph):
    multiply = [n for n in calls(half_graph) if re.search(r"convolution|\.mm|addmm|bmm", str(n.target))]
    assert len(multiply) > 30
    assert {n.meta["val"].dtype for n in multiply} == {torch.float16}
    assert {a.meta["val"].dtype for n in multiply for a in n.args[:2]} == {torch.float16}
    exp = [n for n in calls(half_graph) if "aten.exp." in str(n.target)]
    sums = [n for n in calls(half_graph) if "aten.sum." in str(n.target)]
    assert {n.meta["val"].dtype for n in (*exp, *sums)} == {torch.float32}


def test_the_half_graph_says_as_onnx_what_eager_says(small_weights, unchecked_tracing, tmp_path):
    """Another runtime reads it; it computes in half precision too, as far as the processor can."""
    weights = small_weights
    pictures = judged_pictures(weights.architecture.input_px)
    prepared = Prepare(torch.float16)(rgb(pictures))
    torch.onnx.export(
        exported(PosesInCrops(weights, torch.float16), prepared),
        f=str(tmp_path / "half.onnx"),
        dynamo=True,
        external_data=False,
        input_names=["pictures"],
        output_names=["joints", "presence"],
        verbose=False,
    )
    session = onnxruntime.InferenceSession(str(tmp_path / "half.onnx"), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].type == "tensor(float16)"
    joints = np.asarray(session.run(["joints"], {"pictures": prepared.numpy()})[0])
    theirs = eager_answers(weights, pictures, torch.device("cpu"))
    accept(joints, theirs, weights.architecture, engine="onnx", precision="fp16")


# --- what comes out ---------------------------------------------------------------------------------------------------


def test_engines_are_built_for_each_batch_size_and_agree_with_eager(fake, small_weights, picture, boxes):
    with (
        open_now(small_weights) as ours,
        CudaEngine(small_weights, precision="fp32", lane=DirectLane()) as cuda,
    ):
        assert ours.name == "tensorrt"
        assert ours.description == "TensorRT, fp32 on cpu"
        for count in (1, 2, 3, 5, 11):
            theirs = cuda.infer(picture, boxes[:count], K)
            np.testing.assert_allclose(ours.infer(picture, boxes[:count], K).joints, theirs.joints, atol=1e-4)
        first = ours.submit(picture, boxes[:1], K)
        second = ours.submit(255 - picture, boxes[:1], K)
        np.testing.assert_array_equal(second.result().joints, ours.infer(255 - picture, boxes[:1], K).joints)
        np.testing.assert_array_equal(first.result().joints, ours.infer(picture, boxes[:1], K).joints)
    about = plan(small_weights, precision="fp32").about()
    assert sorted(map(int, about["batches"])) == list(BATCHES)
    assert set(about["batches"]["1"]["multiplying_layers"]) == {"fp32"}
    assert "torch_tensorrt 2.13.0" in about["versions"]


def test_an_engine_of_the_other_skeleton_has_its_joints(fake, small_body25, picture, boxes):
    fake.setitem(TOLERANCES, "fp32", Agreement(median_voxels=0.05, apart=0.1))
    with (
        open_now(small_body25) as ours,
        CudaEngine(small_body25, precision="fp32", lane=DirectLane()) as cuda,
    ):
        assert ours.skeleton is cuda.skeleton is BODY25
        for count in (0, 1, 3):
            said = ours.infer(picture, boxes[:count], K).joints
            assert said.shape == (count, 25, 7)
            np.testing.assert_allclose(said, cuda.infer(picture, boxes[:count], K).joints, atol=1e-4)


def test_half_precision_is_what_is_built_by_default(fake, small_weights):
    fake.setattr("engine.backends.tensorrt_build.BATCHES", (1,))
    wanted = plan(small_weights)
    folder = wanted.folder
    build_here(job(wanted, folder), lambda *_: None)
    inspected = (folder / "layers1.json").read_text(encoding="utf-8")
    assert set(multiplying_precisions(inspected)) == {"fp16"}


def job(wanted, folder):
    folder.mkdir(parents=True)
    write_weights(wanted.weights, folder / "small.safetensors")
    return Job(str(folder / "small.safetensors"), "cpu", wanted.precision, str(folder))


def test_what_is_built_is_kept_and_another_driver_or_version_builds_anew(fake, small_weights):
    open_now(small_weights).close()
    open_now(small_weights).close()
    assert InThisProcess.built == 1
    names = {plan(small_weights, precision="fp32").name}
    fake.setattr("engine.backends.tensorrt_plan.driver_version", lambda device: "999.1")
    names.add(plan(small_weights, precision="fp32").name)
    open_now(small_weights).close()
    assert InThisProcess.built == 2
    fake.setattr(torchtrt, "_version", lambda package: "2.12.1")
    names |= {plan(small_weights, precision="fp32").name, plan(small_weights).name}
    assert len(names) == 4


def test_an_engine_file_that_does_not_load_is_built_anew(fake, small_weights, caplog):
    open_now(small_weights).close()
    (plan(small_weights, precision="fp32").folder / "batch2.pt2").write_text("not an engine")
    open_now(small_weights).close()
    assert InThisProcess.built == 2
    assert "it is built anew" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("off", r"the tensorrt engine in fp32 disagrees with eager \(median"),
        ("names", "names the engine's layers only"),
    ],
)
def test_what_says_something_else_or_hides_its_precisions_is_refused_once(fake, small_weights, wrong, says):
    fake.setenv("FAKE_TENSORRT", wrong)
    with pytest.raises(RefusedError, match=says):
        open_now(small_weights)
    assert not plan(small_weights, precision="fp32").folder.exists()
    fake.setenv("FAKE_TENSORRT", "")
    with pytest.raises(RefusedError, match=r"run\.py compile` tries again"):
        open_now(small_weights)
    plan(small_weights, precision="fp32").forget()
    open_now(small_weights).close()


def test_an_engine_in_another_precision_than_asked_is_refused(fake, small_weights):
    fake.setenv("FAKE_TENSORRT", "single")
    with pytest.raises(RefusedError, match=r"did not build the engine in fp16: of its multiplying layers \d+ in fp32"):
        open_engine("tensorrt", small_weights)


def test_precisions_are_read_as_the_versions_write_them():
    def layer(kind, form, **more):
        return {"LayerType": kind, "Inputs": [{"Format/Datatype": form}], **more}

    layers = [
        layer("CaskConvolution", "Channel major FP16 format where channel % 4 == 0"),
        layer("CaskDeconvolutionV2", "Half"),
        layer("kgen", "Half", TacticName="__myl_Conv_0x1"),
        layer("gemm", "Half", TacticName="sm90_xmma_gemm_f16f16"),
        layer("CaskConvActPool", "Thirty-two wide channel vectorized row major Int8 format"),
        layer("CaskConvolution", "FP8"),
        layer("CaskConvolution", "BFloat16"),
        layer("CaskConvolution", "Row major linear FP32"),
        layer("Reformat", "Float"),
        layer("kgen", "Float", TacticName="__myl_ExpSum_0x2"),
    ]
    found = multiplying_precisions(json.dumps({"Layers": layers}))
    assert found == Counter(fp16=4, int8=1, fp8=1, bf16=1, fp32=1)
    check_precisions(Counter(fp16=7), "fp16")
    with pytest.raises(RefusedError, match="7 in fp16, 1 in fp32"):
        check_precisions(Counter(fp16=7, fp32=1), "fp16")
    with pytest.raises(RefusedError, match="shows no convolution"):
        multiplying_precisions(json.dumps({"Layers": layers[-2:]}))


def test_extreme_pictures_are_judged_as_well(small_weights):
    pictures = judged_pictures(64)
    assert len(pictures) == JUDGED_CROPS + len(extreme_pictures(64)) == 22
    answers = np.zeros((22, len(small_weights.skeleton), 7), np.float32)
    wrong = answers.copy()
    wrong[-1] = 0.3
    broken = answers.copy()
    broken[3, 2, 5] = np.nan
    accept(answers, answers, SMALL, engine="x", precision="fp16")
    with pytest.raises(RefusedError, match="disagrees with eager on extreme pictures"):
        accept(wrong, answers, SMALL, engine="x", precision="fp16")
    with pytest.raises(RefusedError, match="disagrees with eager"):
        accept(broken, answers, SMALL, engine="x", precision="fp16")


def test_crops_are_prepared_as_the_network_was_trained(small_weights):
    pictures = rgb(judged_pictures(64)[:3])
    with torch.inference_mode():
        ours = PosesInCrops(small_weights, torch.float32)(Prepare(TYPES["fp32"])(pictures))[0]
        torch.testing.assert_close(ours, small_weights.decoded()(pictures)[0], atol=1e-4, rtol=1e-4)


# --- who runs ---------------------------------------------------------------------------------------------------------


def test_auto_takes_tensorrt_once_it_is_built_and_cuda_before(fake, small_weights, caplog):
    with open_engine("auto", small_weights, precision="fp32") as engine:
        assert engine.name == "cuda"
    assert "no TensorRT engine is built for cpu yet; `python run.py compile`; the next best engine runs" in caplog.text
    open_now(small_weights).close()
    with open_engine("auto", small_weights, precision="fp32") as engine:
        assert engine.name == "tensorrt"


def test_a_library_that_does_not_load_is_said_in_one_line_and_cuda_runs(fake, small_weights, caplog):
    fake.setenv("FAKE_TENSORRT", "unloadable")
    with pytest.raises(EngineError, match=r"torch_tensorrt does not load .*libnvinfer"):
        open_now(small_weights)
    with open_engine("auto", small_weights, precision="fp32", background=True) as engine:
        assert engine.name == "cuda"
    assert "the next best engine runs" in caplog.text


def wait_for(engine, name, picture, boxes, seconds=60):
    """Frames until an engine runs; how many."""
    deadline_s, frames = time.monotonic() + seconds, 0
    while engine.name != name and time.monotonic() < deadline_s:
        engine.infer(picture, boxes[:1], K)
        frames += 1
    assert engine.name == name
    return frames


def test_cuda_runs_until_tensorrt_is_built_and_no_ticket_is_lost(fake, small_weights, picture, boxes, caplog):
    with open_engine("tensorrt", small_weights, precision="fp32", background=True) as engine:
        assert engine.name == "cuda"
        expected = engine.infer(picture, boxes[:2], K)
        held = engine.submit(picture, boxes[:2], K)
        assert wait_for(engine, "tensorrt", picture, boxes) > 0
        np.testing.assert_array_equal(held.result().joints, expected.joints)
        np.testing.assert_allclose(engine.infer(picture, boxes[:2], K).joints, expected.joints, atol=1e-4)
        assert engine.description == "TensorRT, fp32 on cpu"
    assert "while cuda runs" in caplog.text


@pytest.mark.parametrize(("wrong", "says"), [("off", "disagrees with eager"), ("fails", "no tactic for convolution_3")])
def test_a_build_that_fails_in_the_background_costs_a_line(fake, small_weights, picture, boxes, caplog, wrong, says):
    fake.setenv("FAKE_TENSORRT", wrong)
    with open_engine("tensorrt", small_weights, precision="fp32", background=True) as engine:
        engine._thread.join(60)
        engine.infer(picture, boxes[:1], K)
        assert engine.name == "cuda"
    assert says in caplog.text
    assert "cuda runs on" in caplog.text


# --- the process ------------------------------------------------------------------------------------------------------


def test_a_process_builds_and_reports(fake, small_weights):
    fake.setattr("engine.backends.tensorrt_plan.Build", Build)
    said = []
    wanted = plan(small_weights, precision="fp32")
    build(wanted, lambda done, of, what: said.append((done, of, what)))
    assert said[0] == (0, 5, "loading TensorRT")
    assert said[1:] == [(i + 1, 5, f"building for {n} crop{'s' * (n > 1)}") for i, n in enumerate(BATCHES)]
    assert wanted.about()["precision"] == "fp32"


def test_a_process_that_fails_says_why_and_is_tried_again_next_time(fake, small_weights):
    fake.setattr("engine.backends.tensorrt_plan.Build", Build)
    fake.setenv("FAKE_TENSORRT", "fails")
    with pytest.raises(EngineError, match=r"engine: RuntimeError: Engine building failed no tactic .*\.log"):
        open_now(small_weights)
    wanted = plan(small_weights, precision="fp32")
    assert wanted.refusal is None
    assert "no tactic for convolution_3" in wanted.folder.with_suffix(".log").read_text(encoding="utf-8")


def test_closing_ends_a_build_under_way_and_leaves_nothing(fake, small_weights, picture, boxes, caplog):
    fake.setattr("engine.backends.tensorrt_plan.Build", Build)
    fake.setenv("FAKE_TENSORRT", "slow")
    engine = open_engine("tensorrt", small_weights, precision="fp32", background=True)
    while "building for 1 crop" not in engine.description:
        engine.infer(picture, boxes[:1], K)
    process = engine._better._process._process
    engine.close()
    assert process.poll() is not None
    assert not engine._thread.is_alive()
    assert [path.suffix for path in cache_folder().iterdir()] == [".log"]
    assert "runs on" not in caplog.text


# --- the whole program ------------------------------------------------------------------------------------------------


FRAMES = 16


def test_a_run_changes_engines_between_two_frames_and_loses_none(fake, small_weights, demo_clip, tmp_path):
    from realtime.session import Settings, open_session

    fake.setattr("engine.backends.pieces.cut_on_card", whole_picture)
    open_now(small_weights).close()  # what takes long is done, and forgotten
    plan(small_weights, precision="fp32").forget()
    write_weights(small_weights, tmp_path / "small.safetensors")
    saved = tmp_path / "poses.jsonl"
    results = []
    with open_session(
        Settings(max_frames=FRAMES),
        video=str(demo_clip),
        saves=[saved],
        window=False,
        engine="tensorrt",
        weights=str(tmp_path / "small.safetensors"),
        precision="fp32",
    ) as session:
        for result in session.results():
            results.append(result)
            if len(results) == FRAMES // 2:  # on a busy machine the thread gets its turn here
                wait_until_ready(session._engine)
    assert [result.index for result in results] == list(range(FRAMES))
    ran = [result.engine for result in results]
    swap = ran.index("tensorrt")
    assert 0 < swap < FRAMES
    assert ran == ["cuda"] * swap + ["tensorrt"] * (FRAMES - swap)
    lines = saved.read_text(encoding="utf-8").splitlines()[1:]
    assert [json.loads(line)["frame"] for line in lines] == list(range(FRAMES))


def wait_until_ready(engine):
    deadline_s = time.monotonic() + 60
    while engine.name == "cuda" and engine._ready is None and time.monotonic() < deadline_s:
        time.sleep(0.01)
