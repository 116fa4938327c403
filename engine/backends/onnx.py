"""The portable engine: ONNX Runtime, for processors on which OpenVINO does not run.

The network with its decode is exported once per weights (float32, any number of crops) and kept on this machine. It
computes in a thread of its own, so that `submit` returns at once.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

import numpy as np
import onnxruntime as ort
import torch
from jaxtyping import Float32, Float64, UInt8
from numpy import ndarray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf
from torch import nn

from engine.backends import EngineError
from engine.backends.acceptance import accept, eager_answers, judged_pictures
from engine.backends.agreement import Agreement
from engine.backends.cache import cache_key, cached, forget
from engine.backends.cpu_graph import CpuGraph
from engine.crop import Box, crop_camera, cut
from engine.joints import EngineOutput
from engine.weights import Weights

MODEL = "model.onnx"
# changes whenever the graph does
REVISION = "1"
BATCH_MAX = 8
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
Answers = tuple[Float32[ndarray, "n joints 7"], Float32[ndarray, "n"]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Pending:
    """Work of the engine's thread."""

    future: Future[EngineOutput]

    def result(self) -> EngineOutput:
        return self.future.result()


class SessionEngine:
    """Cuts crops here, computes in a thread of its own; the sessions are those of who inherits."""

    name = ""
    description = ""

    def __init__(self, weights: Weights) -> None:
        self.input_px = weights.architecture.input_px
        self.score_map = weights.score_map
        self.skeleton = weights.skeleton
        self.weights_name, self.weights_sha256 = weights.name, weights.sha256
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=self.name)

    def submit(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> _Pending:
        """Crops are cut here; the network computes in a thread."""
        crops = [cut(image_bgr, crop_camera(box, K, self.input_px)) for box in boxes]
        return _Pending(self._worker.submit(self._computed, crops))

    def infer(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> EngineOutput:
        """Submit and result."""
        return self.submit(image_bgr, boxes, K).result()

    def close(self) -> None:
        """Ends the thread, after what was handed in."""
        self._worker.shutdown()

    def __enter__(self) -> SessionEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _parts(self, crops: list[UInt8[ndarray, "s s 3"]]) -> Iterator[Answers]:
        """Joints and presence of some of the crops at a time."""
        raise NotImplementedError

    def _computed(self, crops: list[UInt8[ndarray, "s s 3"]]) -> EngineOutput:
        if not crops:
            return EngineOutput.nobody(len(self.skeleton))
        joints, presence = zip(*self._parts(crops), strict=True)
        return EngineOutput(np.concatenate(joints), np.concatenate(presence))


class OnnxEngine(SessionEngine):
    """Runs in float32, on the CPU or, with the package onnxruntime-gpu, on a card."""

    name = "onnx"

    def __init__(
        self, weights: Weights, *, device: str = "auto", precision: str = "auto", threads: int | None = None
    ) -> None:
        self._session = _session(weights, _providers(device), threads)
        runs_on = "cuda" if CUDA in self._session.get_providers() else "cpu"
        if device.startswith("cuda") and runs_on == "cpu":
            raise EngineError("onnxruntime could not use the card; leave --device out, or use --engine cuda")
        self.description = f"ONNX Runtime, fp32 on {runs_on}"
        super().__init__(weights)

    def _parts(self, crops: list[UInt8[ndarray, "s s 3"]]) -> Iterator[Answers]:
        for i in range(0, len(crops), BATCH_MAX):
            yield answered(self._session, np.stack(crops[i : i + BATCH_MAX]))


def answered(session: ort.InferenceSession, crops_bgr: UInt8[ndarray, "n s s 3"]) -> Answers:
    """Joints and presence, as a session says."""
    joints, presence = session.run(["joints", "presence"], {"crops": crops_bgr})
    return np.asarray(joints), np.asarray(presence)


def _providers(device: str) -> list[str | tuple[str, dict[str, str]]]:
    available = ort.get_available_providers()
    if device.startswith("cuda") and CUDA not in available:
        raise EngineError("onnxruntime is installed without CUDA; `pip install onnxruntime-gpu`, or use --engine cuda")
    if device == "cpu" or CUDA not in available:
        return [CPU]
    return [(CUDA, {"device_id": device.partition(":")[2] or "0"}), CPU]


def _session(
    weights: Weights, providers: list[str | tuple[str, dict[str, str]]], threads: int | None
) -> ort.InferenceSession:
    versions = (REVISION, torch.__version__, version("onnx"), version("onnxscript"))
    name = f"onnx-{weights.name}-{cache_key(weights, *versions)}"
    path = cached(name, lambda folder: export(weights, folder / MODEL))
    try:
        return _loaded(path / MODEL, providers, threads)
    except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf) as error:
        _log.warning("%s does not load (%s) and is made anew", path, " ".join(str(error).split())[:200])
        forget(path)
        path = cached(name, lambda folder: export(weights, folder / MODEL))
        return _loaded(path / MODEL, providers, threads)


def _loaded(path: Path, providers: list[str | tuple[str, dict[str, str]]], threads: int | None) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or 0  # 0: as many as there are cores
    # waiting threads must not take the cores that the camera and the window need
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=providers)


def export_checked(weights: Weights, path: Path) -> Agreement:
    """`export`, then what ONNX Runtime makes of the file against eager: on crops of people and on extreme pictures.

    EngineError where they disagree; `path` is written only if they do not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    try:
        export(weights, temporary)
        session = _loaded(temporary, [CPU], None)
        pictures = judged_pictures(weights.architecture.input_px)
        parts = np.split(pictures, range(BATCH_MAX, len(pictures), BATCH_MAX))
        ours = np.concatenate([answered(session, part)[0] for part in parts])
        theirs = eager_answers(weights, pictures, torch.device("cpu"))
        seen = accept(ours, theirs, weights.architecture, engine="onnx", precision="fp32")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return seen


def export(weights: Weights, path: Path, graph: nn.Module | None = None) -> None:
    """Write network and decode as ONNX: `crops` (n, s, s, 3) uint8 BGR in, `joints` and `presence` out.

    `graph`: in place of the one for CPUs, which computes in float32.
    """
    side = weights.architecture.input_px
    example = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    with _quiet():
        torch.onnx.export(
            CpuGraph(weights) if graph is None else graph,
            (example,),
            str(path),
            dynamo=True,
            external_data=False,
            dynamic_shapes=({0: torch.export.Dim("n", min=1, max=BATCH_MAX)},),
            input_names=["crops"],
            output_names=["joints", "presence"],
            verbose=False,
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks about itself: on stdout, in warnings and in the log."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
