"""TensorRT for RTX, on consumer cards: ONNX Runtime's plug-in, which brings its own libraries, so that PyTorch may be
the one for CPUs. By name only.

The half-precision network with its decode is exported once; the plug-in compiles it for the card within seconds at
each start, helped by what it kept. A session is used only if all of the graph runs on the card, and if it says what
eager says.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from jaxtyping import Float32, UInt8
from numpy import ndarray
from torch import Tensor, nn

from engine.backends import EngineError, Precision, checked
from engine.backends.acceptance import RefusedError, accept, eager_answers, judged_pictures
from engine.backends.cache import cache_key, cached
from engine.backends.card import any_driver_version
from engine.backends.half_network import TYPES, PosesInCrops, Prepare
from engine.backends.onnx import MODEL, Answers, SessionEngine, answered, export
from engine.backends.slots import BATCHES, batches_of
from engine.backends.tensorrt_build import ANSWERS
from engine.backends.tensorrt_plan import Plan
from engine.weights import Weights

PLUGIN = "onnxruntime_ep_nv_tensorrt_rtx"
PACKAGES = ("onnxruntime", "onnx", "onnxscript", "torch")
# changes whenever the graph does
REVISION = "1"
COMPILED = "compiled"  # the plug-in's own folder
COMPILE, COMPILE_ANEW = "`python run.py compile --engine rtx`", "`python run.py compile --engine rtx --force`"


class RtxGraph(nn.Module):
    """Crops as OpenCV has them in, joints and presence out; in between, what other cards get."""

    def __init__(self, weights: Weights, precision: str) -> None:
        super().__init__()
        self.prepare = Prepare(TYPES[precision])
        self.poses_in_crops = PosesInCrops(weights, TYPES[precision])
        self.eval()

    def forward(
        self, crops_bgr: UInt8[Tensor, "n s s 3"]
    ) -> tuple[Float32[Tensor, "n joints 7"], Float32[Tensor, "n"]]:
        """Joints with spreads, and the probability of presence."""
        # bytes are converted before anything else: TensorRT takes them in, and does nothing with them
        return self.poses_in_crops(self.prepare(crops_bgr.float().permute(0, 3, 1, 2).flip(1)))


class RtxEngine(SessionEngine):
    """A session for each batch size. EngineError where it cannot run; RefusedError where it says something else."""

    name = "rtx"

    def __init__(self, weights: Weights, *, device: str = "auto", precision: str = "auto") -> None:
        precision = "fp16" if precision == "auto" else precision
        card = _card(_index(device))
        wanted = _plan(weights, card, precision)
        wanted.check()
        folder = cached(wanted.name, lambda path: _prepared(weights, precision, path))
        try:
            self._sessions = {batch: _session(folder, card, batch) for batch in BATCHES}
            pictures = judged_pictures(weights.architecture.input_px)
            ours = np.concatenate([joints for joints, _ in self._parts(list(pictures))])
            with np.load(folder / ANSWERS, allow_pickle=False) as kept:
                accept(ours, kept["joints"], weights.architecture, engine=self.name, precision=precision)
        except RefusedError as error:
            wanted.refuse(str(error))
            raise
        except Exception as error:  # of the plug-in: it has no type of its own
            reason = " ".join(str(error).split())[:200]
            raise EngineError(f"the rtx engine does not start ({reason}); {COMPILE_ANEW}, or --engine cuda") from error
        self.description = f"TensorRT for RTX, {precision} on {_name(card)}"
        super().__init__(weights)

    def _parts(self, crops: list[UInt8[ndarray, "s s 3"]]) -> Iterator[Answers]:
        first = 0
        for batch in batches_of(len(crops)):
            some = crops[first : first + batch]
            joints, presence = answered(self._sessions[batch], np.stack(some + some[-1:] * (batch - len(some))))
            yield joints[: len(some)], presence[: len(some)]
            first += batch


def compile_ahead(weights: Weights, *, device: str, precision: Precision, force: bool) -> Plan:
    """Make what is not there, or all of it with `force`, and start it once; what was refused is tried again."""
    device = checked("rtx", device, precision)
    wanted = _plan(weights, _card(_index(device)), "fp16" if precision == "auto" else precision)
    if force or wanted.refusal is not None:
        wanted.forget()
    RtxEngine(weights, device=device, precision=precision).close()
    return wanted


def _index(device: str) -> int:
    return int(device.partition(":")[2] or 0)


def _card(index: int) -> ort.OrtEpDevice:
    """The card that the plug-in runs on; it is registered with the first call."""
    plugin = importlib.import_module(PLUGIN)
    name = plugin.get_ep_name()
    if not (found := _devices(name)):
        try:
            ort.register_execution_provider_library(name, plugin.get_library_path())
        except Exception as error:  # without the driver's library, on another architecture
            reason = " ".join(str(error).split())[-200:]
            raise EngineError(f"{PLUGIN} does not load (... {reason}); use --engine openvino") from error
        found = _devices(name)
    if len(found) <= index:
        raise EngineError(f"TensorRT for RTX sees {len(found)} cards (RTX 30xx and later); use --engine cuda")
    return found[index]


def _devices(name: str) -> list[ort.OrtEpDevice]:
    return [device for device in ort.get_ep_devices() if device.ep_name == name]


def _name(card: ort.OrtEpDevice) -> str:
    return card.device.metadata.get("Description") or f"{card.device.vendor} {card.device.device_id:#x}"


def _plan(weights: Weights, card: ort.OrtEpDevice, precision: str) -> Plan:
    """The same kind of name as the engines of `tensorrt` have: weights, card, driver, versions, precision, shapes."""
    versions = [f"{package} {version(package)}" for package in PACKAGES]
    versions.append(importlib.import_module(PLUGIN).__version__)
    which = json.dumps([card.device.vendor_id, card.device.device_id, card.ep_metadata], sort_keys=True)
    key = cache_key(weights, REVISION, which, any_driver_version(), *versions, precision, str(BATCHES))
    return Plan(weights, torch.device("cpu"), precision, f"rtx-{weights.name}-{precision}-{key}", COMPILE)


def _prepared(weights: Weights, precision: str, folder: Path) -> None:
    export(weights, folder / MODEL, RtxGraph(weights, precision))
    pictures = judged_pictures(weights.architecture.input_px)
    np.savez(folder / ANSWERS, joints=eager_answers(weights, pictures, torch.device("cpu")))
    (folder / COMPILED).mkdir()


def _session(folder: Path, card: ort.OrtEpDevice, batch: int) -> ort.InferenceSession:
    """RefusedError where a part of the graph would run elsewhere than on the card."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_free_dimension_override_by_name("n", batch)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.add_provider_for_devices([card], {"nv_runtime_cache_path": str(folder / COMPILED)})
    session = ort.InferenceSession(str(folder / MODEL), options)
    elsewhere = [part for part in session.get_provider_graph_assignment_info() if part.ep_name != card.ep_name]
    if elsewhere:
        kinds = sorted({node.op_type for part in elsewhere for node in part.get_nodes()})
        raise RefusedError(f"TensorRT for RTX leaves {', '.join(kinds)[:120]} to {elsewhere[0].ep_name}")
    return session
