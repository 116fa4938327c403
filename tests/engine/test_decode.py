"""Soft-argmax, its window, its spread, and its symmetry."""

import numpy as np
import pytest
import torch

from engine.decode import Decoded, bin_centers, decode
from engine.model import ARCHITECTURES, PoseResNet


def bump(at, *, shape=(12, 24, 24), sharp=20.0):
    """Logits of one joint that peak at `at` (x, y, z) in crop units."""
    z = bin_centers(shape[0], span=2.0)[:, None, None] - at[2]
    y, x = bin_centers(shape[1])[:, None] - at[1], bin_centers(shape[2])[None, :] - at[0]
    return -(sharp**2) * (x**2 + y**2 + (z / 2) ** 2)


@pytest.mark.parametrize("count", [6, 7, 32, 48])
def test_bins_are_symmetric_and_span_the_range(count):
    centers = bin_centers(count, span=2.0)
    assert torch.equal(centers, -centers.flip(0))
    assert float(centers[-1] + 1.0 / count) == pytest.approx(1.0)


@pytest.mark.parametrize("window", [None, 3])
def test_a_flipped_volume_decodes_to_exactly_the_flipped_joints(window):
    torch.manual_seed(0)
    volume = torch.randn(2, 16, 8, 12, 12) * 4
    plain, flipped = decode(volume, window=window), decode(volume.flip(-1), window=window)
    sign = torch.tensor([-1.0, 1, 1, 1, 1, 1, 1])
    assert torch.allclose(flipped, plain * sign, atol=2e-6)


@pytest.mark.parametrize("window", [None, 3])
def test_a_smooth_peak_is_found_between_the_bins(window):
    at = (0.117, -0.203, 0.31)
    joint = decode(bump(at)[None, None], window=window)[0, 0]
    np.testing.assert_allclose(joint[:3], at, atol=0.01)


def test_two_peaks_decode_to_one_of_them_with_a_window_and_between_them_without():
    volume = torch.logaddexp(bump((0.3, 0, 0)) + 0.1, bump((-0.3, 0, 0)))[None, None]
    windowed, whole = decode(volume, window=3)[0, 0], decode(volume, window=None)[0, 0]
    assert float(windowed[0]) == pytest.approx(0.3, abs=0.02)
    assert abs(float(whole[0])) < 0.1
    assert float(windowed[3]) > 0.3  # and the spread tells that there is another


def test_the_spread_grows_with_the_blur():
    sharp, blurred = (decode(bump((0, 0, 0), sharp=s)[None, None])[0, 0, 3:6] for s in (25.0, 10.0))
    assert (blurred > sharp).all()


@pytest.mark.parametrize("window", [None, 3])
def test_the_mass_around_the_peak_tells_one_peak_from_two(window):
    one, two = bump((0.3, 0, 0)), torch.logaddexp(bump((0.3, 0, 0)) + 0.1, bump((-0.3, 0, 0)))
    alone, shared = (float(decode(volume[None, None], window=window)[0, 0, 6]) for volume in (one, two))
    assert alone > 0.9
    assert shared == pytest.approx(alone * np.exp(0.1) / (1 + np.exp(0.1)), abs=0.02)


def test_a_flat_volume_gives_finite_numbers():
    joint = decode(torch.zeros(1, 1, 64, 64, 64, dtype=torch.float16))
    assert torch.isfinite(joint).all()
    assert joint.dtype == torch.float32


def test_half_precision_logits_cost_less_than_a_hundredth_of_a_voxel():
    torch.manual_seed(1)
    volume = torch.nn.functional.avg_pool3d(torch.randn(1, 16, 32, 48, 48) * 12, 3, 1, 1)
    full, half = decode(volume, window=None), decode(volume.half(), window=None)
    assert float(((full - half)[..., :2].abs() * 48).max()) < 0.01


def test_the_compiled_module_normalises_and_decodes():
    network = PoseResNet(ARCHITECTURES["lite"]).eval()
    crops = torch.randint(0, 255, (1, 3, 192, 192)).float()
    with torch.inference_mode():
        joints, presence = Decoded(network)(crops)
        mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
        volume, logit = network((crops - mean[:, None, None]) / std[:, None, None])
        torch.testing.assert_close(joints, decode(volume), atol=1e-4, rtol=0)
    assert joints.shape == (1, 25, 7)
    assert float(presence[0]) == pytest.approx(float(torch.sigmoid(logit[0])), abs=1e-5)
