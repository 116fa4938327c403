"""The fast decode against the reference, and folding against the network as it was."""

import pytest
import torch
from torch import nn

from engine.backends.fast_decode import decode_by_gathering
from engine.backends.fold import fold_batchnorm
from engine.decode import decode


@pytest.mark.parametrize("window", [None, 1, 3])
@pytest.mark.parametrize("sharp", [0.0, 1.0, 20.0])
def test_the_fast_decode_says_what_the_reference_says(window, sharp):
    volume = torch.randn(3, 16, 8, 12, 12, generator=torch.Generator().manual_seed(0)) * sharp
    torch.testing.assert_close(
        decode_by_gathering(volume, window=window), decode(volume, window=window), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 11), (11, 0), (11, 11), (1, 10), (5, 6)])
def test_a_peak_at_the_edge_keeps_only_the_cells_that_exist(row, column):
    volume = torch.randn(1, 16, 8, 12, 12, generator=torch.Generator().manual_seed(1))
    volume[:, :, 3, row, column] = 9.0
    torch.testing.assert_close(decode_by_gathering(volume, window=3), decode(volume, window=3), atol=1e-5, rtol=1e-5)


def test_of_equal_peaks_the_first_is_taken_as_in_the_reference():
    volume = torch.zeros(1, 16, 8, 12, 12)
    volume[:, :, 2, 3, 4] = volume[:, :, 2, 9, 9] = 5.0
    torch.testing.assert_close(decode_by_gathering(volume, window=2), decode(volume, window=2), atol=1e-5, rtol=1e-5)


def test_half_precision_logits_are_summed_in_float32():
    """A flat volume of 48 x 48 x 32 cells sums to 73 728, beyond half precision."""
    joints = decode_by_gathering(torch.zeros(1, 16, 32, 48, 48, dtype=torch.float16), window=None)
    assert joints.dtype == torch.float32
    torch.testing.assert_close(joints[..., :3], torch.zeros(1, 16, 3), atol=1e-4, rtol=0)


@pytest.mark.parametrize("weights", ["small_weights", "small_body25"])
def test_folding_batch_normalisation_changes_nothing_but_rounding(weights, request):
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    network = request.getfixturevalue(weights).network()
    with torch.inference_mode():
        before = network(x)
        folded = fold_batchnorm(network)
        after = folded(x)
    assert not [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d)]
    torch.testing.assert_close(after[0], before[0], atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(after[1], before[1], atol=1e-4, rtol=1e-4)
