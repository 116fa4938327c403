"""Engines: what runs the network. All keep one contract, and each is tested against the eager one.

An engine gets the whole frame and boxes; where the crops are cut is its own affair. `submit` gives a ticket, and the
next frame may be submitted before the ticket is read.
"""

from __future__ import annotations

import importlib
import logging
from importlib.util import find_spec
from types import TracebackType
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float64, UInt8
from numpy import ndarray

from engine.crop import Box
from engine.errors import UserError
from engine.joints import EngineOutput, ScoreMap
from engine.skeleton import Skeleton
from engine.weights import Weights, load_weights

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8", "fp8"]
NAMES = ("tensorrt", "rtx", "cuda", "openvino", "onnx", "eager")
# what each can compute in
PRECISIONS = {
    "tensorrt": ("auto", "fp16", "bf16", "fp32", "int8", "fp8"),
    "rtx": ("auto", "fp16", "fp32"),
    "cuda": ("auto", "fp16", "bf16", "fp32"),
    "openvino": ("auto", "fp32", "bf16", "fp16", "int8"),
    "onnx": ("auto", "fp32"),
    "eager": ("auto", "fp32", "bf16", "fp16"),
}
# of these an engine computes what it can; no other engine stands in for one in another precision
QUANTISED = ("int8", "fp8")
# packages that an engine needs, and how to get them
NEEDS = {
    "tensorrt": (("torch_tensorrt", "tensorrt"), 'pip install -e ".[tensorrt]"'),
    "rtx": (("onnxruntime_ep_nv_tensorrt_rtx", "onnxruntime", "onnx", "onnxscript"), 'pip install -e ".[rtx]"'),
    "openvino": (("openvino",), "pip install openvino"),
    "onnx": (("onnxruntime", "onnx", "onnxscript"), 'pip install -e ".[onnx]"'),
}
_log = logging.getLogger(__name__)


class EngineError(UserError):
    """An engine that cannot run here, and what to do."""


@runtime_checkable
class Ticket(Protocol):
    """Work that was handed in."""

    def result(self) -> EngineOutput:
        """Waits for the numbers; the engine's own error is raised here."""
        ...


@runtime_checkable
class Engine(Protocol):
    """Runs the network on boxes of a frame. A context manager; `close` may be called twice."""

    @property
    def name(self) -> str:
        """One of NAMES: goes into every result. It may change in a run, where a better engine takes over."""
        ...

    @property
    def description(self) -> str:
        """With device and precision, for people."""
        ...

    @property
    def input_px(self) -> int:
        """Side of the crops."""
        ...

    @property
    def score_map(self) -> ScoreMap:
        """Of the weights."""
        ...

    @property
    def skeleton(self) -> Skeleton:
        """Which joints it gives, in their order: that of the weights."""
        ...

    @property
    def weights_name(self) -> str:
        """For people."""
        ...

    @property
    def weights_sha256(self) -> str:
        """Of the weights' file."""
        ...

    def submit(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> Ticket:
        """Hand in a frame. It must not be written to before the ticket's result is there."""
        ...

    def infer(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> EngineOutput:
        """Submit and result."""
        ...

    def close(self) -> None:
        """Give back what is held."""
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_engine(
    engine: str = "auto",
    weights: str | Weights = "auto",
    *,
    device: str = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
    background: bool = False,
) -> Engine:
    """The engine asked for, or the best that runs here: tensorrt (where it is built), cuda, openvino, onnx, eager.

    `threads` bounds what openvino and onnx take of the processor; None leaves it to them. `background` is for runs that
    go on for long: where tensorrt is yet to be built, cuda runs, and gives way between two frames. Otherwise an engine
    asked for by name is never replaced by another. EngineError where it cannot run, WeightsError where the weights do
    not load.
    """
    loaded = load_weights(weights) if isinstance(weights, str) else weights
    if engine != "auto":
        return _open(engine, loaded, device, precision, threads, build="background" if background else "now")
    candidates = _candidates(device, precision)
    for name in candidates:
        try:
            return _open(name, loaded, device, precision, threads, build="background" if background else "never")
        except EngineError as error:
            if name == candidates[-1] and (device.startswith("cuda") or precision in QUANTISED):
                raise  # nothing else runs what was asked for
            _log.warning("%s; the next best engine runs", error)
    return _open("eager", loaded, device, precision, threads, build="never")


def _candidates(device: str, precision: Precision) -> list[str]:
    """What `auto` tries before eager, best first; says so where a fast one is not installed."""
    on_card = device.startswith("cuda") or (device == "auto" and _cuda())
    if precision in QUANTISED:
        if precision == "fp8" or device.startswith("cuda"):
            return ["tensorrt"]
        return ["tensorrt", "openvino"] if on_card and not _missing("tensorrt") else ["openvino"]
    if on_card:
        built = "tensorrt" if not _missing("tensorrt") and precision in PRECISIONS["tensorrt"] else None
        return [name for name in (built, "cuda") if name]
    if device not in ("auto", "cpu"):
        return []
    installed = [name for name in ("openvino", "onnx") if not _missing(name) and precision in PRECISIONS[name]]
    if "openvino" not in installed:
        slower = installed[0] if installed else "eager"
        _log.warning("openvino is not installed, so the slower %s engine runs; `pip install openvino`", slower)
    return installed


def _open(
    name: str,
    weights: Weights,
    device: str,
    precision: Precision,
    threads: int | None,
    *,
    build: Literal["now", "background", "never"],
) -> Engine:
    device = checked(name, device, precision)
    module = importlib.import_module(f"engine.backends.{name}")
    if name == "openvino":
        return module.OpenVinoEngine(weights, precision=precision, threads=threads)
    if name == "onnx":
        return module.OnnxEngine(weights, device=device, precision=precision, threads=threads)
    if name == "tensorrt":
        return _open_tensorrt(weights, device, precision, build)
    if name == "rtx":
        return module.RtxEngine(weights, device=device, precision=precision)
    if name == "cuda":
        return module.CudaEngine(weights, device=device, precision=precision)
    return module.EagerEngine(weights, device=device, precision=precision)


def checked(name: str, device: str, precision: Precision) -> str:
    """The device that an engine runs on; EngineError where it cannot run here at all."""
    if name not in NAMES:
        raise EngineError(f"no engine '{name}'; known: auto, {', '.join(NAMES)}")
    if precision not in PRECISIONS[name]:
        raise EngineError(f"{name} does not compute in {precision}; --precision is {', '.join(PRECISIONS[name])}")
    if missing := _missing(name):
        raise EngineError(f"{name} needs {', '.join(missing)}; `{NEEDS[name][1]}`, or use another --engine")
    if name == "openvino" and device not in ("auto", "cpu"):
        raise EngineError(f"openvino runs on the CPU here, not on '{device}'; leave --device out or use --engine cuda")
    if device.split(":")[0] not in ("auto", "cpu", "cuda"):
        raise EngineError(f"no device '{device}'; use auto, cpu or cuda")
    if name in ("openvino", "onnx"):
        return device
    on_card = name in ("tensorrt", "rtx", "cuda")
    if on_card and device == "cpu":
        raise EngineError(f"{name} runs on an NVIDIA card, not on 'cpu'; leave --device out or use --engine openvino")
    if name == "rtx":  # it sees cards by itself
        return device
    if device == "auto":
        device = "cuda" if on_card or _cuda() else "cpu"
    if device.startswith("cuda") and not _cuda():
        raise EngineError(f"no CUDA device is usable for '{device}'; `python run.py doctor` says what is there")
    return device


def _open_tensorrt(
    weights: Weights, device: str, precision: Precision, build: Literal["now", "background", "never"]
) -> Engine:
    from engine.backends import tensorrt, tensorrt_plan

    plan = tensorrt_plan.plan(weights, device=device, precision=precision)
    if build == "background":
        meanwhile = "auto" if precision in QUANTISED else precision
        return tensorrt.open_in_background(plan, lambda: _open("cuda", weights, device, meanwhile, None, build="never"))
    if build == "never":
        return tensorrt.TensorRtEngine(plan)
    return tensorrt.open_tensorrt(plan, lambda done, of, what: _log.warning("TensorRT: %s, %d of %d", what, done, of))


def _missing(name: str) -> list[str]:
    return [package for package in NEEDS.get(name, ((), ""))[0] if find_spec(package) is None]


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()
