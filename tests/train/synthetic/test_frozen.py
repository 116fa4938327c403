"""The list of people that figures are reported on."""

import numpy as np
import pytest

from train.synthetic.body import load_body
from train.synthetic.frozen import check_frozen, label_hash, listed_people, people_in
from train.synthetic.plan import random_plan
from train.synthetic.sample import random_sample
from train.synthetic.shards import PER_SHARD, ShardError, write_shard
from train.synthetic.sources import SourceFolders
from train.synthetic.split import SPLITS


def test_the_list_names_two_thousand_different_people():
    listed = listed_people()
    assert len(listed) == len(set(listed.values())) == 2000
    assert "shard_0000_00003/463" in listed


def test_the_rule_gives_the_people_of_the_list(shared_data):
    """Some of them are planned anew from their seeds, without rendering."""
    sources = SourceFolders(
        (shared_data / "backgrounds" / "photos",),
        (shared_data / "backgrounds" / "textures_dtd",),
        shared_data / "labelled2d" / "coco_mini",
        shared_data / "mocap" / "mocap_joints17_30fps.npz",
        "test",
    ).read()
    listed, body = listed_people(), load_body()
    for number in (0, 17, 700, 1999):
        shard, i = divmod(number, PER_SHARD)
        rng = np.random.default_rng((0, shard, i, SPLITS.index("test")))
        plan = random_plan(rng, size_px=224, sources=sources, body=body)
        digest = label_hash(plan.units.astype(np.float32), plan.depth.astype(np.float32))
        assert listed[f"shard_0000_{shard:05d}/{i}"] == digest


def test_a_folder_with_other_people_is_refused(tmp_path, tiny_body):
    samples = [random_sample(np.random.default_rng(i), size_px=48, body=tiny_body) for i in range(2)]
    write_shard(tmp_path / "shard_0000_00000.npz", samples, split="test")
    held = dict(people_in(tmp_path))
    assert held["shard_0000_00000/1"] == label_hash(samples[1].units, samples[1].depth)
    with pytest.raises(ShardError, match="2000 differ, first shard_0000_00000/0"):
        check_frozen(tmp_path)
