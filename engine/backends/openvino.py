"""The engine for CPUs: OpenVINO, several times faster than eager PyTorch.

The module is converted as it is (no file between); crops are cut by OpenCV and go in as uint8. One compiled model for
a single box, one for a batch (the search for people), so that no shape is dynamic. Requests are used again, so that
nothing is allocated once as many tickets are in flight as ever will be.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

import numpy as np
import openvino as ov
import torch
from jaxtyping import Float32, Float64, UInt8
from numpy import ndarray

from engine.backends.cpu_graph import CpuGraph
from engine.crop import Box, crop_camera, cut
from engine.joints import EngineOutput
from engine.weights import Weights

BATCH = 8
# a batch costs about six times a single crop, so a few people are handed in one by one
SINGLES_MAX = 4
HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


class _Requests:
    """The requests of one compiled model; each is busy with one ticket, then free for another."""

    def __init__(self, model: ov.CompiledModel) -> None:
        self._model = model
        self._free = [model.create_infer_request()]

    def start(self, crops_bgr: list[UInt8[ndarray, "s s 3"]]) -> ov.InferRequest:
        """The computation of some crops. Rows of the batch beyond them keep what an earlier one left there."""
        request = self._free.pop() if self._free else self._model.create_infer_request()
        rows = request.get_input_tensor().data
        for row, crop in zip(rows, crops_bgr, strict=False):
            row[:] = crop
        request.start_async()
        return request

    def finish(self, request: ov.InferRequest) -> tuple[Float32[ndarray, "n joints 7"], Float32[ndarray, "n"]]:
        """Waits, copies the numbers out and takes the request back."""
        request.wait()
        numbers = [request.get_output_tensor(i).data.astype(np.float32) for i in (0, 1)]
        self._free.append(request)
        return numbers[0], numbers[1]


@dataclass(slots=True)
class _Pending:
    """Requests under way, with how many of their rows count."""

    parts: list[tuple[_Requests, ov.InferRequest, int]]
    output: EngineOutput | None = None

    def result(self) -> EngineOutput:
        if self.output is None:
            joints, presence = [], []
            for requests, request, people in self.parts:
                numbers = requests.finish(request)
                joints.append(numbers[0][:people])
                presence.append(numbers[1][:people])
            self.parts = []
            self.output = EngineOutput(np.concatenate(joints), np.concatenate(presence))
        return self.output


class OpenVinoEngine:
    """Runs on the CPU, in bf16 where the processor has instructions for it."""

    name = "openvino"

    def __init__(self, weights: Weights, *, precision: str = "auto", threads: int | None = None) -> None:
        core = ov.Core()
        best = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "fp32"
        if precision == "auto":
            precision = best
        self.description = f"OpenVINO, {precision} on {core.get_property('CPU', 'FULL_DEVICE_NAME')}"
        self.input_px = weights.architecture.input_px
        self.score_map = weights.score_map
        self.skeleton = weights.skeleton
        self.weights_name, self.weights_sha256 = weights.name, weights.sha256
        # what int8 leaves in floating point runs in the best of the rest
        hints: dict[str, str | int] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": HINTS.get(precision, HINTS[best]),
        }
        if threads is not None:
            hints["INFERENCE_NUM_THREADS"] = threads
            self.description += f", {threads} thread{'s' * (threads > 1)}"
        self._single, self._batch = (_Requests(compiled) for compiled in _compiled(core, weights, hints, precision))

    def submit(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> _Pending:
        """Crops are cut here; the network computes in OpenVINO's own threads."""
        crops = [cut(image_bgr, crop_camera(box, K, self.input_px)) for box in boxes]
        if not crops:
            return _Pending([], EngineOutput.nobody(len(self.skeleton)))
        parts = []
        while crops:
            count = 1 if len(crops) <= SINGLES_MAX else min(BATCH, len(crops))
            requests = self._single if count == 1 else self._batch
            parts.append((requests, requests.start(crops[:count]), count))
            crops = crops[count:]
        return _Pending(parts)

    def infer(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> EngineOutput:
        """Submit and result."""
        return self.submit(image_bgr, boxes, K).result()

    def close(self) -> None:
        """OpenVINO frees its memory with the objects."""

    def __enter__(self) -> OpenVinoEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _compiled(core: ov.Core, weights: Weights, hints: dict[str, str | int], precision: str) -> list[ov.CompiledModel]:
    """The network for one crop and for `BATCH`: converted once (most of the start-up), shaped twice."""
    side = weights.architecture.input_px
    example = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    graph = CpuGraph(weights, product_head=precision == "fp32")
    model = ov.convert_model(graph, example_input=example, input=[[-1, side, side, 3]])
    model.reshape([1, side, side, 3])
    if precision == "int8":
        from engine.backends.int8 import int8_model

        model = int8_model(core, weights, model)
    compiled = []
    for batch in (1, BATCH):
        model.reshape([batch, side, side, 3])
        compiled.append(core.compile_model(model, "CPU", hints))
    return compiled
