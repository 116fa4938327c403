"""The engine for CPUs: OpenVINO, several times faster than eager PyTorch.

The module is converted as it is (no file between); crops are cut by OpenCV and go in as uint8. One compiled model for
a single box, one for a batch (the search for people), so that no shape is dynamic.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

import numpy as np
import openvino as ov
import torch
from jaxtyping import Float32, Float64, UInt8
from numpy import ndarray
from torch import Tensor, nn

from engine.crop import Box, crop_camera, cut
from engine.decode import Decoded
from engine.joints import EngineOutput
from engine.weights import Weights

BATCH = 8


class _FromPictures(nn.Module):
    """Pictures as OpenCV has them, in front of the network."""

    def __init__(self, decoded: Decoded) -> None:
        super().__init__()
        self.decoded = decoded

    def forward(self, crops_bgr: Tensor) -> tuple[Tensor, Tensor]:
        return self.decoded(crops_bgr.permute(0, 3, 1, 2).float().flip(1))


@dataclass(frozen=True, slots=True)
class _Pending:
    """Requests under way; the rows of the last one beyond `people` are padding."""

    requests: list[ov.InferRequest]
    people: int

    def result(self) -> EngineOutput:
        joints: list[Float32[ndarray, "n 16 6"]] = [np.zeros((0, 16, 6), np.float32)]
        presence: list[Float32[ndarray, "n"]] = [np.zeros(0, np.float32)]
        for request in self.requests:
            request.wait()
            joints.append(request.get_output_tensor(0).data.astype(np.float32))
            presence.append(request.get_output_tensor(1).data.astype(np.float32))
        return EngineOutput(np.concatenate(joints)[: self.people], np.concatenate(presence)[: self.people])


class OpenVinoEngine:
    """Runs on the CPU, in bf16 where the processor has instructions for it."""

    name = "openvino"

    def __init__(self, weights: Weights, *, precision: str = "auto") -> None:
        core = ov.Core()
        capable = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "auto":
            precision = "bf16" if "BF16" in capable else "fp32"
        self.description = f"OpenVINO, {precision} on {core.get_property('CPU', 'FULL_DEVICE_NAME')}"
        self.input_px = weights.architecture.input_px
        self.score_map = weights.score_map
        self.weights_name, self.weights_sha256 = weights.name, weights.sha256
        hints = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}[precision],
        }
        self._single, self._batch = _compiled(core, weights, hints)

    def submit(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> _Pending:
        """Crops are cut here; the network computes in OpenVINO's own threads."""
        crops = [cut(image_bgr, crop_camera(box, K, self.input_px)) for box in boxes]
        if len(crops) == 1:
            return _Pending([_started(self._single, crops[0][None])], 1)
        groups = [crops[i : i + BATCH] for i in range(0, len(crops), BATCH)]
        return _Pending([_started(self._batch, _padded(group)) for group in groups], len(crops))

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


def _compiled(core: ov.Core, weights: Weights, hints: dict[str, str]) -> tuple[ov.CompiledModel, ov.CompiledModel]:
    """The network for one crop and for `BATCH`: converted once (most of the start-up), shaped twice."""
    side = weights.architecture.input_px
    example = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    model = ov.convert_model(
        _FromPictures(weights.decoded()).eval(), example_input=example, input=[[-1, side, side, 3]]
    )
    compiled = []
    for batch in (1, BATCH):
        model.reshape([batch, side, side, 3])
        compiled.append(core.compile_model(model, "CPU", hints))
    return compiled[0], compiled[1]


def _padded(crops: list[UInt8[ndarray, "s s 3"]]) -> UInt8[ndarray, "8 s s 3"]:
    return np.stack(crops + [crops[-1]] * (BATCH - len(crops)))


def _started(model: ov.CompiledModel, crops_bgr: UInt8[ndarray, "n s s 3"]) -> ov.InferRequest:
    request = model.create_infer_request()
    # not shared memory: the picture may be gone before the computation is
    request.set_input_tensor(ov.Tensor(np.ascontiguousarray(crops_bgr)))
    request.start_async()
    return request
