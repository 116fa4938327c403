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
from engine.weights import Weights, load_weights

Precision = Literal["auto", "fp32", "bf16", "fp16"]
NAMES = ("openvino", "eager")
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

    name: str  # "openvino", "eager": goes into every result
    description: str  # with device and precision, for people
    input_px: int
    score_map: ScoreMap
    weights_name: str
    weights_sha256: str

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
    engine: str = "auto", weights: str | Weights = "auto", *, device: str = "auto", precision: Precision = "auto"
) -> Engine:
    """The engine asked for, or the best that runs here: eager on a CUDA card, openvino, eager.

    An engine asked for by name is never replaced by another. EngineError where it cannot run, WeightsError where the
    weights do not load.
    """
    loaded = load_weights(weights) if isinstance(weights, str) else weights
    if engine != "auto":
        return _open(engine, loaded, device, precision)
    if device == "cuda" or (device == "auto" and _cuda()):
        return _open("eager", loaded, "cuda", precision)
    if find_spec("openvino") is None:
        _log.warning("openvino is not installed, so the slower eager engine runs; `pip install openvino`")
        return _open("eager", loaded, "cpu", precision)
    return _open("openvino", loaded, "cpu", precision)


def _open(name: str, weights: Weights, device: str, precision: Precision) -> Engine:
    if name not in NAMES:
        raise EngineError(f"no engine '{name}'; known: auto, {', '.join(NAMES)}")
    if name == "openvino":
        if device not in ("auto", "cpu"):
            raise EngineError(
                f"openvino runs on the CPU here, not on '{device}'; leave --device out or use --engine eager"
            )
        if find_spec("openvino") is None:
            raise EngineError("openvino is not installed; `pip install openvino`, or use --engine eager")
        return importlib.import_module("engine.backends.openvino").OpenVinoEngine(weights, precision=precision)
    if device == "auto":
        device = "cuda" if _cuda() else "cpu"
    if device.startswith("cuda") and not _cuda():
        raise EngineError(f"no CUDA device is usable for '{device}'; `python run.py doctor` says what is there")
    if device.split(":")[0] not in ("cpu", "cuda"):
        raise EngineError(f"no device '{device}'; use auto, cpu or cuda")
    return importlib.import_module("engine.backends.eager").EagerEngine(weights, device=device, precision=precision)


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()
