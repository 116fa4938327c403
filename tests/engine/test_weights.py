"""Weights files: what is written is read, what does not fit is named, nothing is unpickled."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from engine.joints import ScoreMap
from engine.model import ARCHITECTURES, Architecture, PoseResNet
from engine.skeleton import BODY25, MPII16
from engine.weights import (
    BUNDLED,
    Weights,
    WeightsError,
    load_weights,
    read_weights,
    write_weights,
)


def test_weights_come_back_in_half_precision(small_weights, tmp_path):
    path = tmp_path / "again.safetensors"
    write_weights(small_weights, path)
    again = read_weights(path)
    assert again.name == "again"
    assert (again.architecture, again.window, again.score_map) == (
        small_weights.architecture,
        3,
        ScoreMap(-0.5, 0.7, 1.3),
    )
    assert len(again.sha256) == 64
    for key, value in small_weights.state.items():
        torch.testing.assert_close(again.state[key].float(), value.float())
    assert path.stat().st_size < 2.2 * sum(v.numel() for v in small_weights.state.values()) + 100_000


def test_a_text_file_is_refused_in_one_line(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_text("not weights at all")
    with pytest.raises(WeightsError, match="not a readable safetensors file") as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


def test_a_pickle_is_never_opened(tmp_path):
    path = tmp_path / "evil.pt"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_weights(str(path))


def test_tensors_without_a_description_are_refused(tmp_path):
    path = tmp_path / "plain.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="no description of a pose network"):
        read_weights(path)


def as_before(path, **changes):
    """Rewrites a file's description to schema 2, which knew one skeleton and one kind of bottleneck."""
    with safe_open(path, framework="pt") as file:
        record, state = json.loads(file.metadata()["pose"]), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    for key in ("width", "stride_first", "skeleton"):
        del record["architecture"][key]
    save_file(state, path, metadata={"pose": json.dumps(record | {"schema": 2} | changes)})


def test_weights_of_the_version_before_load_as_mpii16(small_weights, tmp_path):
    path = tmp_path / "before.safetensors"
    write_weights(small_weights, path)
    as_before(path)
    again = read_weights(path)
    assert again.skeleton is MPII16
    assert again.architecture == small_weights.architecture
    crops = torch.full((1, 3, 64, 64), 90.0)
    with torch.inference_mode():
        torch.testing.assert_close(again.decoded()(crops)[0], small_weights.decoded()(crops)[0])


def test_weights_say_which_joints_they_predict(small_body25, tmp_path):
    path = tmp_path / "again.safetensors"
    write_weights(small_body25, path)
    again = read_weights(path)
    assert again.skeleton is BODY25
    assert again.architecture == small_body25.architecture
    with safe_open(path, framework="pt") as file:
        record = json.loads(file.metadata()["pose"])
    assert record["schema"] == 3
    assert record["joints"] == list(BODY25.names)


def test_weights_with_joints_of_no_known_skeleton_are_refused_in_one_line(small_weights, tmp_path):
    path = tmp_path / "hands.safetensors"
    write_weights(small_weights, path)
    as_before(path, joints=["wrist", "thumb", "index"])
    with pytest.raises(
        WeightsError, match=r"3 joints \(wrist, thumb, index \.\.\.\) of no known skeleton.*update"
    ) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


def test_weights_whose_skeleton_and_joints_differ_are_refused(small_body25, tmp_path):
    path = tmp_path / "mixed.safetensors"
    write_weights(small_body25, path)
    with safe_open(path, framework="pt") as file:
        record, state = json.loads(file.metadata()["pose"]), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(state, path, metadata={"pose": json.dumps(record | {"joints": list(MPII16.names)})})
    with pytest.raises(WeightsError, match="body25 with the joints of mpii16"):
        read_weights(path)


def test_an_older_schema_is_refused_by_name(tmp_path):
    path = tmp_path / "old.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"pose": json.dumps({"schema": 1})})
    with pytest.raises(WeightsError, match=r"older version \(schema 1\); train it again"):
        read_weights(path)


def test_a_newer_schema_is_refused_by_name(small_weights, tmp_path):
    path = tmp_path / "new.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"pose": json.dumps({"schema": 99})})
    with pytest.raises(WeightsError, match=r"schema 99, this program reads up to 3; update it"):
        read_weights(path)


@pytest.mark.parametrize("record", [{"schema": 2}, {"schema": 2, "joints": None}, [], {"schema": "one"}])
def test_a_damaged_description_is_refused_in_one_line(tmp_path, record):
    path = tmp_path / "damaged.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"pose": json.dumps(record)})
    with pytest.raises(WeightsError, match="damaged description") as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


def test_weights_of_another_architecture_name_what_does_not_fit(small_weights):
    other = replace(small_weights, architecture=Architecture(18, 64, 48, 8))
    with pytest.raises(WeightsError, match="tensors do not fit") as caught:
        other.network()
    assert "deconv" in str(caught.value) or "wasp" in str(caught.value)


@pytest.mark.parametrize(("name", "says"), [("nowhere.safetensors", "no weights file"), ("full", "not bundled")])
def test_weights_that_are_not_there_say_what_to_do(name, says):
    if name == "full" and (BUNDLED / "full.safetensors").exists():
        pytest.skip("full is bundled by now")
    with pytest.raises(WeightsError, match=says):
        load_weights(name)


def test_the_bundled_weights_are_lite_and_say_what_they_are():
    weights = load_weights("auto")
    assert (weights.name, weights.architecture.input_px) == ("lite", ARCHITECTURES["lite"].input_px)
    assert weights.card["figures"]["validation_pck_at_0.2"] > 0.3
    assert weights.card["data"]
    assert (BUNDLED / "lite.safetensors").stat().st_size < 75e6
    weights.network()


def test_the_score_grows_with_the_mass_and_with_the_fill():
    score = ScoreMap(-0.5, 0.7, 1.3)(np.array([[0.0, 0.2, 0.9, 1.0]] * 2), np.array([1.0, 0.4]))
    assert (np.diff(score, axis=1) > 0).all()
    assert (score[0] > score[1]).all()
    assert ((score > 0) & (score < 1)).all()


def test_a_weights_object_without_a_file_has_no_digest():
    network = PoseResNet(Architecture(18, 64, 32, 8))
    weights = Weights("x", network.architecture, network.state_dict(), None, ScoreMap(0.0, 1.0, 0.0), {}, "")
    assert weights.decoded().window is None
