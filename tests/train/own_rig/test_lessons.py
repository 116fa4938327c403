"""What is learned from, what chooses, and that neither sees the other."""

import numpy as np
import pytest

from tests.realtime.takes.walked_take import Scene
from tests.train.true_labels import labelled_take
from train.datasets.sample import background
from train.own_rig.labels import LabelError, read_labels, write_labels
from train.own_rig.lessons import BESIDE, STRETCH, parted
from train.own_rig.truth import true_labels
from train.synthetic.shards import encode_jpeg


def samples(frames):
    jpeg = encode_jpeg(np.zeros((8, 8, 3), np.uint8))
    return [background(f"take/cam0/{frame}", jpeg) for frame in frames]


def frames_of(part):
    return np.array([int(sample.name.rsplit("/", 1)[1]) for sample in part])


def test_stretches_of_the_whole_take_choose_and_no_frame_beside_them_teaches():
    taught, validation = (frames_of(part) for part in parted(samples(range(0, 1800, 3))))
    assert len(set(validation // STRETCH)) == 5
    assert np.abs(taught[:, None] - validation[None]).min() > BESIDE - 3
    assert 0.1 < len(validation) / 600 < 0.15
    assert len(taught) > 0.75 * 600


def test_of_a_short_take_the_end_chooses():
    taught, validation = (frames_of(part) for part in parted(samples(range(0, 150, 3))))
    assert len(validation) == 4
    assert taught.max() < validation.min()


def test_the_truth_teaches_only_where_there_is_one(tmp_path):
    filmed = labelled_take(Scene(seconds=2.0), tmp_path / "filmed")
    with pytest.raises(LabelError, match="only synthetic takes"):
        true_labels(filmed)
    made = labelled_take(Scene(seconds=2.0), tmp_path / "made", truth=True)
    exact = read_labels(made)
    off = exact.joints_cam_m + 0.1
    write_labels(made, type(exact)(**{**{f: getattr(exact, f) for f in exact.__slots__}, "joints_cam_m": off}))
    truth = true_labels(made)
    np.testing.assert_allclose(truth.joints_cam_m, exact.joints_cam_m, atol=2e-3)
    np.testing.assert_allclose(truth.px, exact.px, atol=1.0)
    assert truth.kept.all()
