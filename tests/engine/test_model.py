"""The network: sizes that are pinned, shapes, switches."""

from dataclasses import replace

import pytest
import torch

from engine.model import ARCHITECTURES, Architecture, PoseResNet


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "lateral", "network", "presence"),
    [
        ("lite", False, 12_720_132, 129),
        ("lite", True, 12_777_476, 129),
        ("full", False, 30_592_260, 257),
        ("full", True, 31_051_012, 257),
    ],
)
def test_the_parameters_are_those_of_the_design(name, lateral, network, presence):
    model = PoseResNet(replace(ARCHITECTURES[name], lateral=lateral))
    head = parameters(model.presence)
    assert head == presence
    assert parameters(model) - head == network


@pytest.mark.parametrize(("name", "shape"), [("lite", (2, 16, 32, 48, 48)), ("full", (2, 16, 64, 64, 64))])
def test_volumes_have_the_shape_of_the_design(name, shape):
    architecture = ARCHITECTURES[name]
    model = PoseResNet(architecture).eval()
    with torch.inference_mode():
        volume, presence = model(torch.zeros(2, 3, architecture.input_px, architecture.input_px))
    assert volume.shape == shape
    assert presence.shape == (2,)


@pytest.mark.parametrize("backbone", [18, 34, 50, 101])
@pytest.mark.parametrize(("cbam", "wasp"), [(True, True), (False, True), (True, False), (False, False)])
def test_every_depth_runs_with_every_switch(backbone, cbam, wasp):
    small = Architecture(backbone, 64, 32, 8, cbam=cbam, wasp=wasp)
    model = PoseResNet(small).eval()
    with torch.inference_mode():
        volume, _ = model(torch.zeros(1, 3, 64, 64))
    assert volume.shape == (1, 16, 8, 16, 16)
    names = " ".join(model.state_dict())
    assert ("cbam" in names) is cbam
    assert ("wasp" in names) is wasp


def test_lateral_connections_change_nothing_before_they_learn():
    small = Architecture(18, 64, 32, 8)
    plain, lateral = PoseResNet(small).eval(), PoseResNet(replace(small, lateral=True)).eval()
    lateral.load_state_dict(plain.state_dict(), strict=False)
    crops = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(lateral(crops)[0], plain(crops)[0])
        for conv in lateral.lateral:
            before = lateral(crops)[0]
            conv.weight.normal_()
            after = lateral(crops)[0]
            assert (after - before).abs().max() > 0.1 * before.abs().max()


def test_backbone_names_are_torchvisions():
    names = set(PoseResNet(ARCHITECTURES["full"]).state_dict())
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.conv3.weight", "layer3.5.bn2.bias"} <= names
    assert "layer4.0.downsample.0.weight" in names


def test_an_input_that_the_strides_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="multiple of 32"):
        replace(ARCHITECTURES["lite"], input_px=100)


def test_gradients_reach_every_parameter():
    model = PoseResNet(Architecture(18, 64, 32, 8, lateral=True))
    volume, presence = model(torch.randn(2, 3, 64, 64))
    (volume.square().mean() + presence.sum()).backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert missing == []
