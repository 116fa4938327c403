"""Every engine against the eager one, on the same pictures; tickets; what cannot run says so."""

import subprocess
import sys

import numpy as np
import pytest

from engine.backends import Engine, EngineError, Ticket, open_engine
from engine.backends.acceptance import TOLERANCES
from engine.backends.agreement import Agreement, voxels_apart
from engine.backends.cuda import CudaEngine
from engine.backends.eager import EagerEngine
from engine.backends.lanes import DirectLane
from engine.backends.onnx import OnnxEngine
from engine.backends.openvino import OpenVinoEngine
from engine.joints import read_joints
from engine.skeleton import BODY25
from engine.weights import load_weights
from tests.conftest import REPOSITORY
from tests.engine.conftest import BATCH, K

# of each coordinate, in voxels
FP32_VOXELS_MAX = 0.05


@pytest.fixture(scope="module")
def engines(small_weights):
    """All in float32 on the CPU; the engine for cards without its streams."""
    with (
        OpenVinoEngine(small_weights, precision="fp32") as openvino,
        OnnxEngine(small_weights) as onnx,
        CudaEngine(small_weights, precision="fp32", lane=DirectLane()) as cuda,
        EagerEngine(small_weights) as eager,
    ):
        yield {"openvino": openvino, "onnx": onnx, "cuda": cuda, "eager": eager}


@pytest.fixture(params=["openvino", "onnx", "cuda", "eager"])
def engine(engines, request):
    return engines[request.param]


@pytest.fixture(params=["openvino", "onnx"])
def same_crops(engines, request):
    """Engines whose crops are the eager one's to the last bit."""
    return engines[request.param]


def test_fp32_agrees_with_eager(same_crops, engines, small_weights, picture, boxes):
    ours, theirs = same_crops.infer(picture, boxes, K), engines["eager"].infer(picture, boxes, K)
    assert voxels_apart(ours.joints, theirs.joints, small_weights.architecture).max() < FP32_VOXELS_MAX
    np.testing.assert_allclose(ours.presence, theirs.presence, atol=1e-3)
    np.testing.assert_allclose(ours.joints[..., 3:], theirs.joints[..., 3:], atol=1e-3)


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_fp32_agrees_with_eager_on_a_person(name, person, around):
    weights = load_weights("lite")
    with open_engine(name, weights, precision="fp32") as engine:
        ours, theirs = engine.infer(person, around, K), EagerEngine(weights).infer(person, around, K)
    assert voxels_apart(ours.joints, theirs.joints, weights.architecture).max() < FP32_VOXELS_MAX
    np.testing.assert_allclose(ours.presence, theirs.presence, atol=1e-3)


def test_openvino_bf16_stays_near_eager_on_a_person(person, around):
    """A joint may jump to another peak of nearly equal height; all others stay within a fraction of a voxel."""
    weights = load_weights("lite")
    ours = OpenVinoEngine(weights, precision="bf16").infer(person, around, K)
    apart = voxels_apart(ours.joints, EagerEngine(weights).infer(person, around, K).joints, weights.architecture)
    assert np.median(apart) < 0.03
    assert np.quantile(apart, 0.95) < 0.3


@pytest.mark.parametrize("name", ["openvino", "onnx", "cuda"])
def test_every_engine_gives_the_joints_of_its_weights_as_eager_does(name, small_body25, picture, boxes):
    with EagerEngine(small_body25) as eager:
        theirs = eager.infer(picture, boxes, K)
        assert eager.skeleton is BODY25
        assert theirs.joints.shape == (len(boxes), 25, 7)
        assert eager.infer(picture, [], K).joints.shape == (0, 25, 7)
    made = {
        "openvino": lambda: OpenVinoEngine(small_body25, precision="fp32"),
        "onnx": lambda: OnnxEngine(small_body25),
        "cuda": lambda: CudaEngine(small_body25, precision="fp32", lane=DirectLane()),
    }
    with made[name]() as engine:
        assert engine.skeleton is BODY25
        for count in (0, 1, 5, len(boxes)):
            ours = engine.infer(picture, boxes[:count], K)
            assert ours.joints.shape == (count, 25, 7)
            apart = voxels_apart(ours.joints, theirs.joints[:count], small_body25.architecture)
            assert count == 0 or np.median(apart) < FP32_VOXELS_MAX
            np.testing.assert_allclose(ours.presence, theirs.presence[:count], atol=0.02)


@pytest.mark.parametrize("fill", ["black", "white", "noise"])
def test_extreme_pictures_agree_with_eager(engine, engines, small_weights, boxes, fill):
    image = np.full((480, 640, 3), 255 if fill == "white" else 0, np.uint8)
    if fill == "noise":
        image = np.random.default_rng(3).integers(0, 256, image.shape, dtype=np.uint8)
    ours, theirs = engine.infer(image, boxes[:2], K), engines["eager"].infer(image, boxes[:2], K)
    assert np.isfinite(ours.joints).all()
    assert np.median(voxels_apart(ours.joints, theirs.joints, small_weights.architecture)) < FP32_VOXELS_MAX


@pytest.mark.parametrize("count", [0, 1, 2, 5, BATCH, BATCH + 3])
def test_one_box_or_many_give_the_same_numbers(engine, picture, boxes, count):
    together = engine.infer(picture, boxes[:count], K)
    assert together.joints.shape == (count, len(engine.skeleton), 7)
    assert together.presence.shape == (count,)
    for i in range(count):
        alone = engine.infer(picture, [boxes[i]], K)
        np.testing.assert_allclose(alone.joints[0], together.joints[i], atol=1e-4)


def test_the_next_frame_may_be_submitted_before_the_first_ticket_is_read(engine, picture, boxes):
    first = engine.submit(picture, boxes[:1], K)
    second = engine.submit(255 - picture, boxes[:1], K)
    expected_second = second.result()
    np.testing.assert_array_equal(first.result().joints, engine.infer(picture, boxes[:1], K).joints)
    np.testing.assert_array_equal(expected_second.joints, engine.infer(255 - picture, boxes[:1], K).joints)
    np.testing.assert_array_equal(first.result().joints, first.result().joints)


def test_many_tickets_in_flight_stay_apart(engine, picture, boxes):
    tickets = [engine.submit(np.roll(picture, 40 * i, axis=1), boxes[: 1 + i % 3], K) for i in range(6)]
    for i, ticket in enumerate(tickets):
        expected = engine.infer(np.roll(picture, 40 * i, axis=1), boxes[: 1 + i % 3], K)
        np.testing.assert_array_equal(ticket.result().joints, expected.joints)


def test_the_picture_may_be_overwritten_after_submit(engine, picture, boxes):
    own = picture.copy()
    ticket = engine.submit(own, boxes[:1], K)
    own[:] = 0
    np.testing.assert_array_equal(ticket.result().joints, engine.infer(picture, boxes[:1], K).joints)


def test_engines_and_tickets_keep_the_contract(engine, picture, boxes):
    assert isinstance(engine, Engine)
    assert isinstance(engine.submit(picture, boxes[:1], K), Ticket)
    assert "fp32" in engine.description


def test_close_may_be_called_twice(small_weights):
    for engine in (OnnxEngine(small_weights), CudaEngine(small_weights, precision="fp32", lane=DirectLane())):
        with engine as same:
            assert same is engine
        engine.close()


def test_openvino_uses_its_requests_again(small_weights, picture, boxes, monkeypatch):
    engine = OpenVinoEngine(small_weights, precision="fp32")
    warm = [engine.submit(picture, boxes, K) for _ in range(2)]
    for ticket in warm:
        ticket.result()
    free = [id(r) for requests in (engine._single, engine._batch) for r in requests._free]
    for _ in range(3):
        tickets = [engine.submit(picture, boxes, K) for _ in range(2)]
        for ticket in tickets:
            ticket.result()
    assert sorted(free) == sorted(id(r) for requests in (engine._single, engine._batch) for r in requests._free)


def test_joints_in_the_full_image_lie_where_their_crop_units_say(engines, picture, boxes):
    output = engines["eager"].infer(picture, boxes[:3], K)
    people = read_joints(output, boxes[:3], K, engines["eager"].score_map)
    for person, box, units in zip(people, boxes[:3], output.joints[:, :, :2], strict=True):
        flat = box.center_px + units * box.side_px  # to first order a crop is a scaled copy of its box
        assert np.abs(person.px - flat).max() < 0.15 * box.side_px
        assert person.depth[6] == 0
        assert ((person.score > 0) & (person.score < 1)).all()


def test_auto_takes_openvino_on_a_cpu(small_weights, monkeypatch):
    monkeypatch.setattr("engine.backends._cuda", lambda: False)
    with open_engine("auto", small_weights) as engine:
        assert engine.name == "openvino"


def missing(monkeypatch, *packages):
    monkeypatch.setattr("engine.backends._cuda", lambda: False)
    monkeypatch.setattr("engine.backends.find_spec", lambda name: None if name in packages else object())


def test_auto_without_openvino_takes_onnx_and_says_so(small_weights, monkeypatch, caplog):
    missing(monkeypatch, "openvino")
    with open_engine("auto", small_weights) as engine:
        assert engine.name == "onnx"
    assert "slower onnx engine" in caplog.text


def test_auto_without_any_compiled_engine_says_that_a_slower_one_runs(small_weights, monkeypatch, caplog):
    missing(monkeypatch, "openvino", "onnxruntime")
    with open_engine("auto", small_weights) as engine:
        assert engine.name == "eager"
    assert "slower eager engine" in caplog.text


@pytest.fixture
def as_if_there_were_a_card(monkeypatch):
    """Work for the card is done on the CPU."""
    eager = EagerEngine.__init__
    monkeypatch.setattr("engine.backends._cuda", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("engine.backends.cuda.CardLane", lambda device: DirectLane())
    monkeypatch.setattr(EagerEngine, "__init__", lambda self, weights, **options: eager(self, weights))


@pytest.mark.usefixtures("as_if_there_were_a_card")
def test_auto_takes_cuda_where_there_is_a_card(small_weights):
    with open_engine("auto", small_weights, precision="fp32") as engine:
        assert engine.name == "cuda"


@pytest.mark.usefixtures("as_if_there_were_a_card")
def test_auto_goes_on_with_another_engine_where_cuda_disagrees(small_weights, monkeypatch, caplog):
    monkeypatch.setitem(TOLERANCES, "fp32", Agreement(median_voxels=-1.0, apart=0.0))
    with open_engine("auto", small_weights, precision="fp32") as engine:
        assert engine.name == "eager"
    assert "disagrees with eager" in caplog.text
    assert "the next best engine runs" in caplog.text
    with pytest.raises(EngineError, match="disagrees with eager"):
        open_engine("auto", small_weights, device="cuda", precision="fp32")


@pytest.mark.usefixtures("as_if_there_were_a_card")
def test_a_card_that_fails_is_said_in_one_line(small_weights, monkeypatch):
    def full(*args):
        raise RuntimeError("CUDA out of memory\nTried to allocate 2 GiB")

    monkeypatch.setattr("engine.backends.slots.Slot.submit", full)
    with pytest.raises(EngineError, match="out of memory Tried") as refused:
        open_engine("cuda", small_weights)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("engine", "device", "precision", "says"),
    [
        ("tensorflow", "auto", "auto", "no engine"),
        ("openvino", "cuda", "auto", "runs on the CPU"),
        ("eager", "tpu", "auto", "no device"),
        ("onnx", "tpu", "auto", "no device"),
        ("onnx", "cuda", "auto", "onnxruntime-gpu"),
        ("onnx", "auto", "int8", "does not compute in int8"),
        ("eager", "auto", "int8", "does not compute in int8"),
        ("cuda", "auto", "int8", "does not compute in int8"),
        ("cuda", "auto", "auto", "no CUDA device"),
        ("eager", "cuda", "auto", "no CUDA device"),
        ("auto", "cuda", "auto", "no CUDA device"),
        ("cuda", "cpu", "auto", "runs on an NVIDIA card"),
    ],
)
def test_an_engine_that_cannot_run_is_refused_in_one_line(small_weights, monkeypatch, engine, device, precision, says):
    monkeypatch.setattr("engine.backends._cuda", lambda: False)
    with pytest.raises(EngineError, match=says) as refused:
        open_engine(engine, small_weights, device=device, precision=precision)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("engine", "package"), [("openvino", "openvino"), ("onnx", "onnxscript")])
def test_an_engine_that_is_not_installed_says_how_to_get_it(small_weights, monkeypatch, engine, package):
    missing(monkeypatch, package)
    with pytest.raises(EngineError, match=rf"needs {package}; `pip install"):
        open_engine(engine, small_weights)


def test_an_engine_loads_only_what_it_needs_and_reports_to_nobody():
    code = (
        "import sys; from engine.backends import open_engine; open_engine('{}', device='cpu'); "
        "print(sorted(m for m in ('openvino', 'onnxruntime', 'nncf', 'openvino_telemetry') if sys.modules.get(m)))"
    )
    for engine, loaded in (("eager", "[]"), ("openvino", "['openvino']"), ("onnx", "['onnxruntime']")):
        done = subprocess.run(
            [sys.executable, "-c", code.format(engine)], capture_output=True, text=True, cwd=REPOSITORY, timeout=120
        )
        assert done.stdout.splitlines()[-1] == loaded, done.stderr


@pytest.mark.gpu
def test_eager_on_the_card_agrees_with_the_cpu(engines, small_weights, picture, boxes):
    exact = EagerEngine(small_weights, device="cuda", precision="fp32").infer(picture, boxes, K).joints
    theirs = engines["eager"].infer(picture, boxes, K).joints
    assert np.quantile(voxels_apart(exact, theirs, small_weights.architecture), 0.99) < 0.05
    half = EagerEngine(small_weights, device="cuda").infer(picture, boxes, K).joints
    assert np.median(voxels_apart(half, theirs, small_weights.architecture)) < 0.05
