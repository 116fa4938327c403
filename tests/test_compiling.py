"""`compile` and `export` from the command line."""

import json

import numpy as np
import onnxruntime
import pytest
import torch

import run
from engine.backends.acceptance import TOLERANCES, eager_answers, judged_pictures
from engine.backends.agreement import Agreement
from engine.weights import read_weights, write_weights
from tests.engine.conftest import small_weights  # noqa: F401 - a fixture


@pytest.fixture
def file(small_weights, tmp_path):  # noqa: F811
    path = tmp_path / "small.safetensors"
    write_weights(small_weights, path)
    return path


def test_export_writes_what_agrees_with_eager(file, tmp_path, capsys):
    out = tmp_path / "new" / "pose.onnx"
    assert run.main(["export", "--weights", str(file), "--out", str(out), "--json", str(tmp_path / "a.json")]) == 0
    assert "crops (n, 64, 64, 3) uint8 BGR in" in capsys.readouterr().out
    pictures = judged_pictures(64)[:5]
    joints, presence = onnxruntime.InferenceSession(str(out)).run(None, {"crops": pictures})
    np.testing.assert_allclose(joints, eager_answers(read_weights(file), pictures, torch.device("cpu")), atol=1e-3)
    assert presence.shape == (5,)
    assert json.loads((tmp_path / "a.json").read_text())["median_voxels"] < 0.02


def test_an_export_that_disagrees_is_not_written(file, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(TOLERANCES, "fp32", Agreement(median_voxels=-1.0, apart=0.0))
    out = tmp_path / "pose.onnx"
    assert run.main(["export", "--weights", str(file), "--out", str(out)]) == 1
    assert "the onnx engine in fp32 disagrees with eager" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["small.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], 'tensorrt needs torch_tensorrt, tensorrt; `pip install -e ".[tensorrt]"`'),
        (["--device", "cpu"], "needs torch_tensorrt"),
    ],
)
def test_compile_without_tensorrt_says_how_to_get_it(file, capsys, arguments, says):
    assert run.main(["compile", "--weights", str(file), *arguments]) == 1
    assert says in capsys.readouterr().err
