"""The sums of a volume with their written-out gradient, against autograd through the reference."""

import pytest
import torch

from engine.decode import decode_marginals, marginals
from train.volume_sums import marginals_with_gradient


def _scalar(m):
    """Something that depends on every sum in a way of its own."""
    joints = decode_marginals(m)[..., :6]  # the mass is no part of any loss, so it has no gradient here
    weights = torch.arange(joints.numel()).view_as(joints).sin()
    return (joints * weights).sum() + 0.1 * (m.plane + 1e-12).log().sum() + 0.2 * (m.z + 1e-12).log().sum()


def _gradient(sums, volume, window):
    leaf = volume.clone().requires_grad_()
    value = _scalar(sums(leaf.unflatten(1, (4, 16)), window=window))
    value.backward()
    return value.detach(), leaf.grad


@pytest.mark.parametrize("window", [3, None])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_is_the_one_that_autograd_finds(window, memory_format):
    generator = torch.Generator().manual_seed(0)
    volume = (3 * torch.randn(3, 64, 8, 8, generator=generator)).contiguous(memory_format=memory_format)
    value, gradient = _gradient(marginals_with_gradient, volume, window)
    expected_value, expected = _gradient(marginals, volume, window)
    torch.testing.assert_close(value, expected_value)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert gradient.stride() == volume.stride()


def test_half_precision_volumes_are_summed_in_single():
    generator = torch.Generator().manual_seed(1)
    volume = (3 * torch.randn(2, 64, 8, 8, generator=generator)).bfloat16()
    sums = marginals_with_gradient(volume.unflatten(1, (4, 16)), window=3)
    expected = marginals(volume.float().unflatten(1, (4, 16)), window=3)
    for name in ("plane", "z", "window", "z_in_window"):
        torch.testing.assert_close(getattr(sums, name), getattr(expected, name))
    _, gradient = _gradient(marginals_with_gradient, volume, 3)
    _, exact = _gradient(marginals, volume.float(), 3)
    assert gradient.dtype == torch.bfloat16
    assert (gradient.float() - exact).norm() < 0.01 * exact.norm()
