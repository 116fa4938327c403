"""Every engine against the eager one, on the same pictures; tickets; what cannot run says so."""

import sys
from itertools import islice

import av
import cv2
import numpy as np
import pytest

from engine.backends import Engine, EngineError, Ticket, open_engine
from engine.backends.eager import EagerEngine
from engine.backends.openvino import BATCH, OpenVinoEngine
from engine.crop import Box, camera_matrix
from engine.joints import read_joints
from engine.weights import load_weights

WIDTH, HEIGHT = 640, 480
K = camera_matrix(WIDTH, HEIGHT, fov_deg=60)


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(0)
    image = cv2.resize(
        rng.integers(0, 255, (30, 40, 3), dtype=np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    for _ in range(30):
        x, y = (int(v) for v in rng.integers(0, (WIDTH, HEIGHT)))
        cv2.circle(image, (x, y), int(rng.integers(5, 60)), rng.integers(0, 255, 3).tolist(), -1)
    return image


@pytest.fixture(scope="module")
def boxes():
    rng = np.random.default_rng(1)
    return [Box(rng.uniform((100, 100), (540, 380)), float(rng.uniform(80, 400))) for _ in range(BATCH + 3)]


@pytest.fixture(scope="module")
def eager(small_weights):
    return EagerEngine(small_weights)


@pytest.fixture(scope="module")
def fp32(small_weights):
    return OpenVinoEngine(small_weights, precision="fp32")


def voxels(a, b, side=16, bins=8):
    return np.abs(a.joints - b.joints)[..., :3] * (side, side, bins / 2)


def test_openvino_fp32_agrees_with_eager(eager, fp32, picture, boxes):
    ours, theirs = fp32.infer(picture, boxes, K), eager.infer(picture, boxes, K)
    assert voxels(ours, theirs).max() < 0.05
    np.testing.assert_allclose(ours.presence, theirs.presence, atol=1e-3)
    np.testing.assert_allclose(ours.joints[..., 3:], theirs.joints[..., 3:], atol=1e-3)


def test_openvino_bf16_stays_near_eager_on_a_person(demo_clip):
    """A joint may jump to another peak of nearly equal height; all others stay within a fraction of a voxel."""
    with av.open(str(demo_clip)) as container:
        frame = next(islice(container.decode(video=0), 120, None)).to_ndarray(format="bgr24")
    weights = load_weights("lite")
    rng = np.random.default_rng(2)
    around = [Box(np.array([320, 260]) + rng.normal(0, 12, 2), float(rng.uniform(380, 520))) for _ in range(BATCH)]
    ours = OpenVinoEngine(weights, precision="bf16").infer(frame, around, K)
    apart = voxels(ours, EagerEngine(weights).infer(frame, around, K), side=48, bins=32)
    assert np.median(apart) < 0.05
    assert np.quantile(apart, 0.95) < 0.5


@pytest.mark.parametrize("count", [0, 1, 2, BATCH, BATCH + 3])
def test_one_box_or_many_give_the_same_numbers(fp32, picture, boxes, count):
    together = fp32.infer(picture, boxes[:count], K)
    assert together.joints.shape == (count, 16, 6)
    assert together.presence.shape == (count,)
    for i in range(count):
        alone = fp32.infer(picture, [boxes[i]], K)
        np.testing.assert_allclose(alone.joints[0], together.joints[i], atol=1e-4)


def test_the_next_frame_may_be_submitted_before_the_first_ticket_is_read(fp32, picture, boxes):
    first = fp32.submit(picture, boxes[:1], K)
    second = fp32.submit(255 - picture, boxes[:1], K)
    expected_second = second.result()
    np.testing.assert_array_equal(first.result().joints, fp32.infer(picture, boxes[:1], K).joints)
    np.testing.assert_array_equal(expected_second.joints, fp32.infer(255 - picture, boxes[:1], K).joints)
    np.testing.assert_array_equal(first.result().joints, first.result().joints)


def test_the_picture_may_be_overwritten_after_submit(fp32, picture, boxes):
    """Crops are cut at once, so only the crops must live on."""
    own = picture.copy()
    ticket = fp32.submit(own, boxes[:1], K)
    own[:] = 0
    np.testing.assert_array_equal(ticket.result().joints, fp32.infer(picture, boxes[:1], K).joints)


def test_engines_and_tickets_keep_the_contract(eager, fp32, picture, boxes):
    for engine in (eager, fp32):
        assert isinstance(engine, Engine)
        assert isinstance(engine.submit(picture, boxes[:1], K), Ticket)
        assert "fp32" in engine.description
        with engine as same:
            assert same is engine
        engine.close()


def test_joints_in_the_full_image_lie_where_their_crop_units_say(eager, picture, boxes):
    output = eager.infer(picture, boxes[:3], K)
    people = read_joints(output, boxes[:3], K, eager.score_map)
    for person, box, units in zip(people, boxes[:3], output.joints[:, :, :2], strict=True):
        flat = box.center_px + units * box.side_px  # to first order a crop is a scaled copy of its box
        assert np.abs(person.px - flat).max() < 0.15 * box.side_px
        assert person.depth[6] == 0
        assert ((person.score > 0) & (person.score < 1)).all()


def test_auto_takes_openvino_on_a_cpu(small_weights, monkeypatch):
    monkeypatch.setattr("engine.backends._cuda", lambda: False)
    with open_engine("auto", small_weights) as engine:
        assert engine.name == "openvino"


def test_auto_without_openvino_says_that_a_slower_engine_runs(small_weights, monkeypatch, caplog):
    monkeypatch.setattr("engine.backends._cuda", lambda: False)
    monkeypatch.setattr("engine.backends.find_spec", lambda name: None)
    with open_engine("auto", small_weights) as engine:
        assert engine.name == "eager"
    assert "slower eager engine" in caplog.text


@pytest.mark.parametrize(
    ("engine", "device", "says"),
    [("tensorflow", "auto", "no engine"), ("openvino", "cuda", "runs on the CPU"), ("eager", "tpu", "no device")],
)
def test_an_engine_that_cannot_run_is_refused_in_one_line(small_weights, engine, device, says):
    with pytest.raises(EngineError, match=says):
        open_engine(engine, small_weights, device=device)


def test_a_missing_card_is_said(small_weights, monkeypatch):
    monkeypatch.setattr("engine.backends._cuda", lambda: False)
    with pytest.raises(EngineError, match="no CUDA device"):
        open_engine("eager", small_weights, device="cuda")


def test_the_eager_engine_needs_no_openvino(small_weights):
    assert "engine.backends.openvino" in sys.modules  # of this test's own import
    import engine.backends.eager as module

    assert "openvino" not in vars(module)


@pytest.mark.gpu
def test_eager_on_the_card_agrees_with_the_cpu(eager, small_weights, picture, boxes):
    exact = EagerEngine(small_weights, device="cuda", precision="fp32").infer(picture, boxes, K)
    assert np.quantile(voxels(exact, eager.infer(picture, boxes, K)), 0.99) < 0.05
    half = EagerEngine(small_weights, device="cuda").infer(picture, boxes, K)
    assert np.median(voxels(half, eager.infer(picture, boxes, K))) < 0.05
