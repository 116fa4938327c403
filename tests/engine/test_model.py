"""The network: sizes that are pinned, shapes, switches."""

import hashlib
from dataclasses import replace

import pytest
import torch

from engine.model import ARCHITECTURES, Architecture, PoseResNet


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "skeleton", "count"),
    [
        ("lite", "mpii16", 7_790_341),
        ("lite", "body25", 7_827_493),
        ("full", "mpii16", 31_051_269),
        ("full", "body25", 31_199_301),
    ],
)
def test_the_parameters_are_those_of_the_design(name, skeleton, count):
    assert parameters(PoseResNet(replace(ARCHITECTURES[name], skeleton=skeleton))) == count


# of networks as the program of one skeleton and of full width made them: parameters, a hash of the tensors' names and
# shapes, and, with random numbers seeded by the depth, the volume's deviation, one of its cells and presence
OF_THE_PAPER = {
    18: (11_329_509, "9d45b81e29f96141", 9.9720667e-05, 4.3866083e-05, 0.172416151),
    34: (21_437_669, "d3fb33287c56161b", 1.72078004e-03, 5.8588077e-04, 0.497921973),
    50: (24_250_853, "bb259d217918c426", 2.07590661e-03, 6.2214058e-05, -2.61554360),
    101: (43_242_981, "1da6add2397310ac", 2.57235885, 4.23274673e-02, -967.052002),
}


@pytest.mark.parametrize("backbone", OF_THE_PAPER)
def test_the_papers_networks_stay_as_they_were(backbone):
    count, hashed, deviation, cell, presence = OF_THE_PAPER[backbone]
    torch.manual_seed(backbone)
    model = PoseResNet(Architecture(backbone, 64, 32, 8)).eval()
    tensors = " ".join(f"{name}{tuple(tensor.shape)}" for name, tensor in model.state_dict().items())
    with torch.inference_mode():
        volume, logit = model(torch.linspace(-2, 2, 3 * 64 * 64).reshape(1, 3, 64, 64).sin())
    assert parameters(model) == count
    assert hashlib.sha256(tensors.encode()).hexdigest().startswith(hashed)
    assert [float(volume.std()), float(volume[0, 15, 7, 15, 0]), float(logit[0])] == pytest.approx(
        [deviation, cell, presence], rel=2e-3
    )


def test_half_width_and_an_early_stride_are_those_of_open_nsfw():
    model = PoseResNet(ARCHITECTURES["lite"])
    widths = [(layer[0].conv1.out_channels, layer[0].conv3.out_channels) for layer in stages(model)]
    assert widths == [(32, 128), (64, 256), (128, 512), (256, 1024)]
    assert [layer[0].conv1.stride[0] for layer in stages(model)] == [1, 2, 2, 2]
    assert {layer[0].conv2.stride for layer in stages(model)} == {(1, 1)}
    plain = PoseResNet(ARCHITECTURES["full"])
    assert [layer[0].conv2.stride[0] for layer in stages(plain)] == [1, 2, 2, 2]


def stages(model):
    return model.layer1, model.layer2, model.layer3, model.layer4


@pytest.mark.parametrize("backbone", [18, 34])
@pytest.mark.parametrize("option", [{"width": 0.5}, {"stride_first": True}])
def test_what_only_bottlenecks_have_is_refused_on_basic_blocks(backbone, option):
    with pytest.raises(ValueError, match=f"for bottlenecks .* not for ResNet-{backbone}"):
        Architecture(backbone, 64, 32, 8, **option)


@pytest.mark.parametrize(
    ("option", "says"), [({"width": 0.75}, "width is 1 or 0.5"), ({"skeleton": "body26"}, "skeleton is one of")]
)
def test_an_architecture_that_nobody_knows_is_refused(option, says):
    with pytest.raises(ValueError, match=says):
        Architecture(50, 64, 32, 8, **option)


@pytest.mark.parametrize(("name", "shape"), [("lite", (2, 25, 32, 48, 48)), ("full", (2, 25, 64, 64, 64))])
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
