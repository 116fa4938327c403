from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from engine.crop import Box, camera_matrix
from engine.joints import ScoreMap
from engine.model import Architecture, PoseResNet
from engine.weights import Weights, read_weights, write_weights
from tests.engine.stand_in import fake  # noqa: F401 - a fixture

SMALL = Architecture(backbone=18, input_px=64, deconv=32, depth_bins=8, lateral=True)
# as `lite` and `full` have it: bottlenecks, of half width as in `lite`
SMALL_BODY25 = Architecture(50, 64, 32, 8, lateral=True, width=0.5, stride_first=True, skeleton="body25")
WIDTH, HEIGHT = 640, 480
K = camera_matrix(WIDTH, HEIGHT, fov_deg=60)
BATCH = 8


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory) -> Weights:
    """A small network with weights that respond to the picture, through a file as in real life."""
    return made_weights(SMALL, tmp_path_factory.mktemp("weights") / "small.safetensors")


@pytest.fixture(scope="session")
def small_body25(tmp_path_factory) -> Weights:
    """The same of bottlenecks and of the other skeleton."""
    return made_weights(SMALL_BODY25, tmp_path_factory.mktemp("weights") / "small25.safetensors")


def made_weights(architecture: Architecture, path: Path) -> Weights:
    """Random weights whose maps have clear peaks, written and read."""
    torch.manual_seed(0)
    network = PoseResNet(architecture)
    network.train()
    with torch.no_grad():
        for lateral in network.lateral:
            lateral.weight.normal_(std=0.1)
        for _ in range(30):  # batch statistics of something like pictures
            network(torch.randn(4, 3, 64, 64))
        # logits that differ enough for clear peaks
        network.head.weight *= 30
    scores = ScoreMap(-0.5, 0.7, 1.3)
    write_weights(Weights(path.stem, architecture, network.state_dict(), 3, scores, {"data": []}, ""), path)
    return read_weights(path)


@pytest.fixture(scope="session")
def picture():
    """Blobs and discs, 640x480."""
    rng = np.random.default_rng(0)
    image = cv2.resize(
        rng.integers(0, 255, (30, 40, 3), dtype=np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    for _ in range(30):
        x, y = (int(v) for v in rng.integers(0, (WIDTH, HEIGHT)))
        cv2.circle(image, (x, y), int(rng.integers(5, 60)), rng.integers(0, 255, 3).tolist(), -1)
    return image


@pytest.fixture(scope="session")
def boxes():
    rng = np.random.default_rng(1)
    return [Box(rng.uniform((100, 100), (540, 380)), float(rng.uniform(80, 400))) for _ in range(BATCH + 3)]


@pytest.fixture(scope="session")
def person(demo_clip):
    """A frame of the bundled clip in which the person stands in the middle."""
    with av.open(str(demo_clip)) as container:
        return next(islice(container.decode(video=0), 120, None)).to_ndarray(format="bgr24")


@pytest.fixture(scope="session")
def around():
    """Boxes about that person, as a tracker errs."""
    rng = np.random.default_rng(2)
    return [Box(np.array([320, 260]) + rng.normal(0, 12, 2), float(rng.uniform(380, 520))) for _ in range(BATCH)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Compiled networks of tests are kept for the session, apart from the user's."""
    folder = tmp_path_factory.getbasetemp() / "pose_cache"
    monkeypatch.setenv("POSE_CACHE", str(folder))
    return folder
