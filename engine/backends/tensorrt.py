"""The fastest engine for NVIDIA cards: the network built by TensorRT for this very card, once, and kept.

The crop stays outside of the TensorRT engine, in a CUDA graph of its own per slot; the engine itself is recorded once
per batch size, on memory that both slots hand their crops to. What was built is used only after it showed, when it was
built and at each start, that it says what eager says.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.backends import Engine, EngineError, Precision, checked, torchtrt
from engine.backends.acceptance import RefusedError, accept, judged_pictures
from engine.backends.building import Build
from engine.backends.card_engine import CardEngine, card_name
from engine.backends.half_network import TYPES
from engine.backends.lanes import CardLane, Lane
from engine.backends.pieces import Cut, PlainCut, faster_cut, on_a_card
from engine.backends.slots import BATCHES, outputs_of
from engine.backends.tensorrt_build import ANSWERS, Say, engine_file
from engine.backends.tensorrt_plan import COMPILE, Plan, build, plan
from engine.backends.upgrading import UpgradingEngine
from engine.weights import Weights

_log = logging.getLogger(__name__)


class PosesByTensorRt:
    """Crops cut in a program of each slot, poses by engines that all slots share; work is done in order."""

    def __init__(self, folder: Path, *, size_px: int, joints: int, precision: str, device: torch.device) -> None:
        self._size_px, self._joints, self._device = size_px, joints, device
        self._dtype = TYPES[precision]
        self._cut: Cut | None = None  # chosen on the lane that runs it
        with _current(device):
            self._modules = {batch: torchtrt.stored(folder / engine_file(batch)) for batch in BATCHES}
        self._engines: dict[int, _Recorded] = {}

    def recorded(self, lane: Lane, frame_bgr: Tensor, numbers: Tensor, outputs: Tensor) -> Callable[[], None]:
        """Cut, then the engine for so many boxes, then its numbers to where they belong."""
        cut = self._chosen_cut(lane)  # first: nothing else may be recorded while cuts are tried
        engine = self._engine(lane, len(numbers))
        run_cut = lane.record(torch.inference_mode()(lambda: cut(engine.pictures, frame_bgr, numbers)))

        def run() -> None:
            run_cut()
            engine.run()
            lane.copy(outputs, engine.outputs)

        return run

    def _chosen_cut(self, lane: Lane) -> Cut:
        if self._cut is None:
            self._cut = PlainCut(self._dtype).to(self._device)
            if on_a_card(lane):
                self._cut, _ = faster_cut(self._cut, lane, self._size_px, self._dtype)
        return self._cut

    def _engine(self, lane: Lane, batch: int) -> _Recorded:
        """Recorded once: a context of TensorRT must not be changed as long as a graph of it is in use."""
        if batch not in self._engines:
            side, poses = self._size_px, self._modules[batch]
            pictures = torch.zeros((batch, 3, side, side), dtype=self._dtype, device=self._device)
            outputs = torch.zeros((batch, outputs_of(self._joints)), device=self._device)

            @torch.inference_mode()
            def work() -> None:
                joints, presence = poses(pictures)
                outputs[:, :-1] = joints.flatten(1)
                outputs[:, -1] = presence

            self._engines[batch] = _Recorded(pictures, outputs, lane.record(work))
        return self._engines[batch]


@dataclass(frozen=True, slots=True)
class _Recorded:
    pictures: Tensor  # (batch, 3, s, s) prepared crops
    outputs: Tensor  # (batch, outputs_of)
    run: Callable[[], None]


class TensorRtEngine(CardEngine):
    """Runs engines that were built before."""

    name = "tensorrt"

    def __init__(self, wanted: Plan) -> None:
        """EngineError where nothing is built, where it does not load, or where it says something else than eager."""
        wanted.check()
        if not wanted.folder.is_dir():
            raise EngineError(f"no TensorRT engine is built for {card_name(wanted.device)} yet; {COMPILE}")
        weights = wanted.weights
        try:
            lane = CardLane(str(wanted.device))
            network = PosesByTensorRt(
                wanted.folder,
                size_px=weights.architecture.input_px,
                joints=len(weights.skeleton),
                precision=wanted.precision,
                device=wanted.device,
            )
            super().__init__(weights, lane, network)
            self.description = f"TensorRT, {wanted.precision} on {card_name(wanted.device)}"
            ours = self._answers(judged_pictures(self.input_px))
            with np.load(wanted.folder / ANSWERS, allow_pickle=False) as kept:
                theirs = kept["joints"]
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            if isinstance(error, EngineError):
                raise
            reason = " ".join(str(error).split())[:200]
            raise EngineError(f"the tensorrt engine does not start ({reason}); {COMPILE}, or --engine cuda") from error
        accept(ours, theirs, weights.architecture, engine="tensorrt", precision=wanted.precision)


def open_tensorrt(wanted: Plan, say: Say, *, begun: Callable[[Build], None] = lambda _: None) -> TensorRtEngine:
    """What is built, or is built now; what does not load any more is built anew, once. Errors as `build` has them."""
    torchtrt.library()
    if (engine := _built(wanted)) is not None:
        return engine
    build(wanted, say, begun=begun)
    return TensorRtEngine(wanted)


def compile_ahead(weights: Weights, *, device: str, precision: Precision, force: bool, say: Say) -> Plan:
    """Build what is not there, or all of it with `force`, and load it once. Errors as `build` has them.

    What was refused before is tried again: whoever asks for it has changed something.
    """
    wanted = plan(weights, device=checked("tensorrt", device, precision), precision=precision)
    if force or wanted.refusal is not None:
        wanted.forget()
    open_tensorrt(wanted, say).close()
    return wanted


def open_in_background(wanted: Plan, first: Callable[[], Engine]) -> Engine:
    """What is built; else `first` runs until it is. RefusedError where it was refused before."""
    torchtrt.library()  # now: it would hold up frames later
    if (built := _built(wanted)) is not None:
        return built
    engine = first()
    _log.warning("TensorRT engines are built for this card, once, while %s runs; this takes minutes", engine.name)
    return UpgradingEngine(engine, _Building(wanted))


def _built(wanted: Plan) -> TensorRtEngine | None:
    """The engine that lies there; None where none does, or one that does not load, which is forgotten."""
    wanted.check()
    if not wanted.folder.is_dir():
        return None
    try:
        return TensorRtEngine(wanted)
    except RefusedError as error:
        wanted.refuse(str(error))
        raise
    except EngineError as error:
        _log.warning("%s; it is built anew", error)
        wanted.forget()
        return None


class _Building:
    """A build that can be cancelled."""

    def __init__(self, wanted: Plan) -> None:
        self._wanted = wanted
        self._lock = threading.Lock()
        self._process: Build | None = None
        self._cancelled = False

    def open(self, say: Say) -> Engine:
        return open_tensorrt(self._wanted, say, begun=self._begun)

    def warm_up(self, engine: Engine, frame_shape: tuple[int, int]) -> None:
        assert isinstance(engine, CardEngine)
        engine.prepare(frame_shape)

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if self._process is not None:
                self._process.kill()

    def _begun(self, process: Build) -> None:
        with self._lock:
            self._process = process
            if self._cancelled:
                process.kill()


@contextlib.contextmanager
def _current(device: torch.device) -> Iterator[None]:
    """TensorRT puts what it loads on the thread's current card."""
    with torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext():
        yield
