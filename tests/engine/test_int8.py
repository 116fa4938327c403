"""int8: what is quantised is judged, kept, and refused where it disagrees."""

from dataclasses import replace

import numpy as np
import openvino as ov
import pytest

from engine.backends import EngineError, int8, open_engine
from engine.backends.agreement import Agreement, agreement, voxels_apart
from engine.backends.cache import cache_folder, cache_key, cached
from engine.backends.calibration import BUNDLED_CROPS, read_crops, split_crops
from engine.backends.eager import EagerEngine
from engine.backends.openvino import OpenVinoEngine
from engine.joints import read_joints
from engine.weights import load_weights
from tests.engine.conftest import SMALL, K

# of PCK@0.2, as a fraction: int8 that loses more is not offered
PCK_LOSS_MAX = 0.005
# of a network of random weights little is asked here; `lite` is judged by its own tolerance below
LOOSE = Agreement(median_voxels=5.0, apart=1.0)


@pytest.fixture(autouse=True)
def few_crops(monkeypatch, request):
    """Enough to see the way of things; the slow tests take all."""
    if not request.node.get_closest_marker("slow"):
        monkeypatch.setattr(int8, "split_crops", lambda size_px: tuple(part[:12] for part in split_crops(size_px)))


@pytest.fixture(scope="module")
def unlike(small_weights):
    """Weights of another hash, so that nothing is cached for them."""
    return replace(small_weights, sha256="0" * 64)


def test_int8_is_made_once_and_then_read(small_weights, monkeypatch, caplog, picture, boxes):
    build = int8._build
    monkeypatch.setattr(int8, "TOLERANCE", LOOSE)
    with OpenVinoEngine(small_weights, precision="int8") as engine:
        first = engine.infer(picture, boxes[:1], K)
    assert "making the int8 network" in caplog.text
    assert "int8" in engine.description
    monkeypatch.setattr(int8, "_build", lambda *args: pytest.fail("made twice"))
    with OpenVinoEngine(small_weights, precision="int8") as again:
        np.testing.assert_allclose(again.infer(picture, boxes[:1], K).joints, first.joints, atol=1e-5)
    monkeypatch.setattr(int8, "_build", build)
    for folder in cache_folder().glob("int8-small-*"):
        (folder / int8.MODEL).write_text("not a model")
    with OpenVinoEngine(small_weights, precision="int8") as anew:
        assert np.isfinite(anew.infer(picture, boxes[:1], K).joints).all()
    assert "is damaged and is made anew" in caplog.text


def test_int8_that_disagrees_is_refused_and_not_kept(unlike, monkeypatch):
    monkeypatch.setattr(int8, "TOLERANCE", Agreement(median_voxels=0.0, apart=0.0))
    with pytest.raises(EngineError, match=r"int8 disagrees with fp32 for small \(median .* --precision bf16"):
        open_engine("openvino", unlike, precision="int8")
    assert not list(cache_folder().glob(f"int8-small-{int8._key(ov.Core(), unlike)}"))


def test_int8_without_nncf_says_how_to_get_it(unlike, monkeypatch):
    monkeypatch.setattr(int8, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="int8 needs nncf; `pip install"):
        open_engine("auto", unlike, precision="int8")


def test_agreement_counts_what_is_not_a_number_as_apart():
    joints = np.zeros((2, 16, 7), np.float32)
    broken = joints.copy()
    broken[0] = np.nan
    assert agreement(joints, joints, SMALL).within(Agreement(0.0, 0.0))
    assert agreement(broken, joints, SMALL).apart == 0.5
    assert not agreement(broken, joints, SMALL).within(LOOSE)


def test_the_calibration_crops_are_small_and_some_are_held_out():
    assert BUNDLED_CROPS.stat().st_size < 1e6
    calibrate, judge = split_crops(64)
    assert len(calibrate) + len(judge) == len(read_crops(64))
    assert len(calibrate) >= 100
    assert len(judge) >= 30


def test_the_cache_changes_with_the_weights_and_their_surroundings(small_weights):
    keys = {
        cache_key(small_weights, "1"),
        cache_key(small_weights, "2"),
        cache_key(replace(small_weights, sha256="0" * 64), "1"),
        cache_key(replace(small_weights, window=None), "1"),
        cache_key(replace(small_weights, sha256=""), "1"),
    }
    assert len(keys) == 5


def test_what_was_not_built_to_the_end_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_CACHE", str(tmp_path))

    def broken(folder):
        (folder / "half").write_text("x")
        raise EngineError("no")

    with pytest.raises(EngineError, match="no"):
        cached("thing", broken)
    assert not list(cache_folder().iterdir())


def test_a_program_that_was_faster_wins(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_CACHE", str(tmp_path))

    def slow(folder):
        cached("thing", lambda other: (other / "model").write_text("theirs"))
        (folder / "model").write_text("ours")

    assert (cached("thing", slow) / "model").read_text() == "theirs"
    assert [path.name for path in cache_folder().iterdir()] == ["thing"]


def test_a_cache_that_cannot_be_written_is_said_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POSE_CACHE", str(tmp_path / "file"))
    with pytest.raises(EngineError, match="set POSE_CACHE to a folder"):
        cached("thing", lambda folder: None)


@pytest.mark.slow
def test_int8_of_the_bundled_weights_stays_near_eager_on_a_person(person, around):
    weights = load_weights("lite")
    with OpenVinoEngine(weights, precision="int8") as engine:
        ours = engine.infer(person, around, K)
    apart = voxels_apart(ours.joints, EagerEngine(weights).infer(person, around, K).joints, weights.architecture)
    assert np.median(apart) < 0.15
    assert np.quantile(apart, 0.9) < 1.0


@pytest.mark.slow
def test_int8_loses_at_most_half_a_point_on_photos(shared_data):
    from train.datasets.labelled2d import frozen_list, read_labelled2d
    from train.metrics import pck_hits

    listed = frozen_list("lspet_validation_300")
    samples = [s for s in read_labelled2d(shared_data / "labelled2d" / "lspet").human if s.name in listed]
    true = np.stack([s.joints_px for s in samples]).astype(np.float64)
    labelled = np.stack([s.weight[:, 0] > 0 for s in samples])
    pck = {}
    for precision in ("fp32", "int8"):
        with OpenVinoEngine(load_weights("lite"), precision=precision) as engine:
            seen = [
                read_joints(engine.infer(s.image_bgr(), [s.box], s.K), [s.box], s.K, engine.score_map)[0].px
                for s in samples
            ]
        hits, counts = pck_hits(np.stack(seen), true, labelled)
        pck[precision] = hits.sum() / counts.sum()
    assert pck["int8"] > pck["fp32"] - PCK_LOSS_MAX
