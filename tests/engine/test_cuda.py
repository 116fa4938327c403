"""The engine for cards, on a card; and its half precision on the CPU."""

from itertools import islice

import av
import numpy as np
import pytest
import torch

from engine.backends.agreement import voxels_apart
from engine.backends.calibration import read_crops
from engine.backends.cuda import CudaEngine
from engine.backends.eager import EagerEngine
from engine.backends.half_network import OnceCbam, PosesInCrops, Prepare
from engine.backends.slots import BATCHES
from engine.crop import camera_matrix
from engine.model import CBAM
from engine.weights import load_weights
from tests.engine.conftest import K

HALF_MAX = 65504


@pytest.fixture(scope="module")
def weights():
    return load_weights("lite")


@pytest.fixture(scope="module")
def on_card(weights):
    with CudaEngine(weights) as engine:
        yield engine


@pytest.fixture(scope="module")
def reference(weights):
    return EagerEngine(weights, device="cuda", precision="fp32")


def test_half_precision_has_room_for_what_the_network_computes(weights):
    """Of real and of extreme pictures, in float32; a quarter of the range is kept free."""
    largest = []
    network = torch.nn.Sequential(Prepare(torch.float32), PosesInCrops(weights, torch.float32))
    for module in network.modules():
        module.register_forward_hook(lambda _m, _i, out: largest.append(max(_sizes(out))))
    pictures = [*read_crops(192)[:4], *_extremes(192, 192)]
    rgb = torch.from_numpy(np.stack(pictures)[..., ::-1].transpose(0, 3, 1, 2).copy()).float()
    with torch.inference_mode():
        network(rgb)
    assert max(largest) < HALF_MAX / 4


def test_half_precision_stays_near_float32_on_the_cpu(weights):
    rgb = torch.from_numpy(read_crops(192)[:4, ..., ::-1].transpose(0, 3, 1, 2).copy()).float()
    with torch.inference_mode():
        half, exact = (
            PosesInCrops(weights, kind)(Prepare(kind)(rgb))[0].numpy() for kind in (torch.float16, torch.float32)
        )
    assert np.median(voxels_apart(half, exact, weights.architecture)) < 0.02


def test_attention_with_its_shared_network_run_once_is_the_same():
    torch.manual_seed(0)
    cbam, x = CBAM(64).eval(), torch.randn(3, 64, 12, 12)
    with torch.inference_mode():
        torch.testing.assert_close(OnceCbam(cbam)(x), cbam(x), atol=1e-5, rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("people", [1, 2, 3, 5, 8])
def test_the_card_agrees_with_eager_on_a_person(on_card, reference, weights, person, around, people):
    ours, theirs = on_card.infer(person, around[:people], K), reference.infer(person, around[:people], K)
    apart = voxels_apart(ours.joints, theirs.joints, weights.architecture)
    assert np.median(apart) < 0.05
    assert np.quantile(apart, 0.95) < 0.5
    np.testing.assert_allclose(ours.presence, theirs.presence, atol=0.02)


@pytest.mark.gpu
def test_the_card_in_float32_agrees_with_eager(reference, weights, person, around):
    with CudaEngine(weights, precision="fp32") as exact:
        ours = exact.infer(person, around, K)
    apart = voxels_apart(ours.joints, reference.infer(person, around, K).joints, weights.architecture)
    assert np.median(apart) < 0.02


@pytest.mark.gpu
def test_extreme_pictures_give_numbers_on_the_card(on_card, reference, weights, around):
    for image in _extremes(480, 640):
        ours = on_card.infer(image, around[:2], K)
        assert np.isfinite(ours.joints).all()
        apart = voxels_apart(ours.joints, reference.infer(image, around[:2], K).joints, weights.architecture)
        assert np.median(apart) < 0.5  # maps of nothing are flat


@pytest.mark.gpu
def test_many_frames_of_a_clip_in_flight_are_the_same_as_one_by_one(on_card, demo_clip, around):
    with av.open(str(demo_clip)) as container:
        frames = [f.to_ndarray(format="bgr24") for f in islice(container.decode(video=0), 100, 130)]
    tickets = [on_card.submit(frame, around[: 1 + i % 3], K) for i, frame in enumerate(frames)]
    for i, ticket in enumerate(tickets):
        expected = on_card.infer(frames[i], around[: 1 + i % 3], K)
        np.testing.assert_allclose(ticket.result().joints, expected.joints, atol=1e-6)


@pytest.mark.gpu
def test_every_batch_size_gives_the_same_numbers_on_the_card(on_card, weights, person, around):
    alone = np.concatenate([on_card.infer(person, [box], K).joints for box in around])
    for batch in BATCHES:
        together = on_card.infer(person, around[:batch], K).joints
        assert np.median(voxels_apart(together, alone[:batch], weights.architecture)) < 0.05


@pytest.mark.gpu
def test_frames_of_another_size_are_taken_on_the_card(on_card, reference, weights, person, around):
    import cv2

    large = cv2.resize(person, (1280, 960))
    big_K = camera_matrix(1280, 960, fov_deg=60)
    boxes = [type(box)(box.center_px * 2 + 0.5, box.side_px * 2) for box in around[:2]]
    for image, some, camera in ((person, around[:2], K), (large, boxes, big_K), (person, around[:2], K)):
        ours, theirs = on_card.infer(image, some, camera), reference.infer(image, some, camera)
        assert np.median(voxels_apart(ours.joints, theirs.joints, weights.architecture)) < 0.05


@pytest.mark.gpu
def test_after_the_warm_up_the_card_allocates_nothing(on_card, person, around):
    for _ in range(3):
        on_card.infer(person, around, K)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated(), torch.cuda.memory_stats()["allocation.all.allocated"]
    for i in range(50):
        on_card.submit(person, around[: 1 + i % 8], K)
    torch.cuda.synchronize()
    assert (torch.cuda.memory_allocated(), torch.cuda.memory_stats()["allocation.all.allocated"]) == before


@pytest.mark.gpu
def test_close_gives_the_cards_memory_back(weights, person, around):
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    engine = CudaEngine(weights)
    ticket = engine.submit(person, around[:1], K)
    assert torch.cuda.memory_allocated() > before
    engine.close()
    engine.close()
    assert torch.cuda.memory_allocated() <= before + 2**20  # workspaces of libraries
    assert ticket.result().joints.shape == (1, len(on_card.skeleton), 7)


def _extremes(height, width):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return [np.zeros_like(noise), np.full_like(noise, 255), noise]


def _sizes(out):
    return [float(t.abs().max()) for t in (out if isinstance(out, tuple) else (out,))]
