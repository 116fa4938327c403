import pytest
import torch

from engine.joints import ScoreMap
from engine.model import Architecture, PoseResNet
from engine.weights import Weights, read_weights, write_weights

SMALL = Architecture(backbone=18, input_px=64, deconv=32, depth_bins=8)


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory) -> Weights:
    """A small network with weights that respond to the picture, through a file as in real life."""
    torch.manual_seed(0)
    network = PoseResNet(SMALL)
    network.train()
    with torch.no_grad():
        for _ in range(30):  # batch statistics of something like pictures
            network(torch.randn(4, 3, 64, 64))
        # logits that differ enough for clear peaks
        network.head.weight *= 30
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    write_weights(Weights("small", SMALL, network.state_dict(), 3, ScoreMap(-3.0, -1.5), {"data": []}, ""), path)
    return read_weights(path)
