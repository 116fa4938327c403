import pytest
import torch

from engine.decode import decode
from train.loss import LossWeights, pose_loss


def test_descending_the_loss_moves_joints_onto_their_labels():
    torch.manual_seed(0)
    volume = torch.zeros(2, 16, 8, 12, 12, requires_grad=True)
    presence = torch.zeros(2, requires_grad=True)
    target = torch.rand(2, 16, 3) * 0.7 - 0.35
    optimizer = torch.optim.Adam([volume, presence], lr=0.3)
    for _ in range(150):
        optimizer.zero_grad()
        terms = _loss(volume, presence, target, torch.ones(2, 16, 3), torch.tensor([1.0, 0.0]))
        terms["loss"].backward()
        optimizer.step()
    error = (decode(volume, window=3)[..., :3] - target).abs()
    assert error.max() < 0.03
    assert presence[0] > 2
    assert presence[1] < -2


def test_weightless_joints_and_axes_have_no_gradient():
    volume = torch.randn(1, 16, 8, 12, 12, requires_grad=True)
    weight = torch.ones(1, 16, 3)
    weight[0, 3] = 0
    _loss(volume, torch.zeros(1), torch.zeros(1, 16, 3), weight, torch.ones(1))["loss"].backward()
    assert volume.grad is not None
    assert not volume.grad[0, 3].any()
    assert volume.grad[0, 4].any()


def test_unknown_presence_is_not_taught():
    presence = torch.zeros(2, requires_grad=True)
    volume = torch.zeros(2, 16, 8, 12, 12)
    terms = _loss(volume, presence, torch.zeros(2, 16, 3), torch.ones(2, 16, 3), torch.tensor([float("nan"), 1.0]))
    terms["loss"].backward()
    assert presence.grad is not None
    assert presence.grad[0] == 0
    assert presence.grad[1] != 0


def test_a_batch_without_any_label_gives_a_finite_loss():
    nothing = torch.zeros(1, 16, 3)
    terms = _loss(torch.zeros(1, 16, 8, 12, 12), torch.zeros(1), nothing, nothing, torch.tensor([float("nan")]))
    assert terms["loss"].item() == pytest.approx(0.0, abs=1e-6)


def _loss(volume, presence_logit, target, weight, presence):
    return pose_loss(volume, presence_logit, target, weight, presence, window=3, weights=LossWeights())[0]
