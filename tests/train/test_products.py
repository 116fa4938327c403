"""Convolutions as products give what convolutions give, forwards and backwards, under the same names."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from engine.model import PAPER_ARCHITECTURES, PoseResNet
from train.products import ProductConv2d, convolution_as_product, with_products


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(3, 3), (6, 6), (5, 4)])
def test_same_numbers_and_gradients(stride: int, size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 8, *size, generator=generator, dtype=torch.float64)
    weight = torch.randn(6, 8, 3, 3, generator=generator, dtype=torch.float64)
    found = []
    for convolve in (
        lambda a, b: functional.conv2d(a, b, stride=stride, padding=1),
        lambda a, b: convolution_as_product(a, b, stride=stride),
    ):
        a, b = x.clone().requires_grad_(), weight.clone().requires_grad_()
        out = convolve(a, b)
        out.square().sum().backward()
        found.append((out.detach(), a.grad, b.grad))
    for plain, product in zip(*found, strict=True):
        torch.testing.assert_close(product, plain)


def test_only_wide_plain_convolutions_are_replaced() -> None:
    network = PoseResNet(PAPER_ARCHITECTURES["lite"])
    names = list(network.state_dict())
    with_products(network)
    replaced = [name for name, m in network.named_modules() if isinstance(m, ProductConv2d)]
    assert list(network.state_dict()) == names
    assert replaced == ["layer4.0.conv1", "layer4.0.conv2", "layer4.1.conv1", "layer4.1.conv2"]


def test_large_maps_take_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a large map as a product")

    monkeypatch.setattr("train.products.convolution_as_product", refuse)
    layer = nn.Sequential(nn.Conv2d(4, 512, 3, padding=1, bias=False))
    with_products(layer)
    assert layer(torch.zeros(1, 4, 7, 6)).shape == (1, 512, 7, 6)
    with pytest.raises(AssertionError, match="large map"):
        layer(torch.zeros(1, 4, 6, 6))
