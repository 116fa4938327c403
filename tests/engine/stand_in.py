"""TensorRT as tests have it: a stand-in for the package, the CPU for the card, builds without a process."""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from engine.backends.building import Build
from engine.backends.lanes import DirectLane
from engine.backends.tensorrt_build import build as build_here
from engine.backends.tensorrt_build import exported

FAKE = Path(__file__).parent / "fake_tensorrt"


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """TensorRT is installed, the card is the CPU, nothing is built yet. Builds run in this process: it is quicker."""
    monkeypatch.syspath_prepend(str(FAKE))
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setenv("POSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("engine.backends._cuda", lambda: True)
    monkeypatch.setattr("engine.backends.tensorrt_plan._numbered", lambda device: torch.device("cpu"))
    monkeypatch.setattr("engine.backends.tensorrt.CardLane", lambda device: DirectLane())
    monkeypatch.setattr("engine.backends.cuda.CardLane", lambda device: DirectLane())
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("engine.backends.tensorrt_plan.Build", InThisProcess)
    monkeypatch.setattr("engine.backends.tensorrt_build.exported", exported_once)
    InThisProcess.built = 0
    yield monkeypatch
    for name in [n for n in sys.modules if n.split(".")[0] in ("torch_tensorrt", "tensorrt", "modelopt")]:
        del sys.modules[name]


EXPORTED = {}


def exported_once(network, pictures):
    """Tracing takes seconds, and all these tests are of one network for each shape of its tensors."""
    kinds = {(type(m).__name__, getattr(m, "_exponent_bits", None)) for m in network.modules()}
    shapes = tuple(tuple(parameter.shape) for parameter in network.parameters())
    key = pictures.dtype, len(pictures), frozenset(kinds), shapes
    if key not in EXPORTED:
        EXPORTED[key] = exported(network, pictures)
    return EXPORTED[key]


class InThisProcess(Build):
    """A `Build` without its process. What came out well is kept: tracing a network takes seconds."""

    built = 0
    kept: ClassVar[dict[tuple[str, str], Path]] = {}

    def __init__(self, job, log):
        self.job = job

    def wait(self, say):
        what = self.job.precision, hashlib.sha256(Path(self.job.weights).read_bytes()).hexdigest()
        kept = self.kept.get(what)
        if os.environ.get("FAKE_TENSORRT"):
            build_here(self.job, say)
        elif kept is None:
            build_here(self.job, say)
            self.kept[what] = Path(shutil.copytree(self.job.folder, tempfile.mkdtemp(), dirs_exist_ok=True))
        else:
            shutil.copytree(kept, self.job.folder, dirs_exist_ok=True)
        InThisProcess.built += 1

    def kill(self):
        pass


def whole_picture(frame_bgr, numbers, *, size_px):
    """In place of the crop, which is made for cards and takes the CPU most of the time."""
    picture = frame_bgr.permute(2, 0, 1)[None].flip(1).float()
    return torch.nn.functional.interpolate(picture, (size_px, size_px)).expand(len(numbers), -1, -1, -1)
