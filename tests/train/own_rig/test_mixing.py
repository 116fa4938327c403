"""How much of what was learned is kept."""

import torch

from train.own_rig.mixing import Mix, best_mix, mixed


def test_a_mix_lies_on_the_line_and_counters_are_the_new_ones():
    old = {"w": torch.tensor([0.0, 2.0]), "steps": torch.tensor(1)}
    new = {"w": torch.tensor([4.0, 2.0]), "steps": torch.tensor(7)}
    assert mixed(old, new, 0.25)["w"].tolist() == [1.0, 2.0]
    assert mixed(old, new, 0.25)["steps"] == 7
    assert torch.equal(mixed(old, new, 1.0)["w"], new["w"])


def test_the_best_on_the_take_is_chosen_among_those_that_forget_little():
    line = [Mix(0.0, 100.0, 200.0), Mix(0.5, 80.0, 201.0), Mix(1.0, 70.0, 220.0)]
    assert best_mix(line).share == 0.5
    assert best_mix([*line[:2], Mix(1.0, 70.0, 201.9)]).share == 1.0


def test_a_network_that_learned_nothing_good_stays_as_it_was():
    assert best_mix([Mix(0.0, 100.0, 200.0), Mix(0.5, 110.0, 190.0), Mix(1.0, 90.0, 250.0)]).share == 0.0
