"""The reference engine: PyTorch, operation by operation. Every other engine is tested against it."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from numpy import ndarray

from engine.crop import Box, crop_camera, cut
from engine.joints import EngineOutput
from engine.weights import Weights


@dataclass(frozen=True, slots=True)
class _Done:
    output: EngineOutput

    def result(self) -> EngineOutput:
        return self.output


class EagerEngine:
    """Runs the network as it was trained."""

    name = "eager"

    def __init__(self, weights: Weights, *, device: str = "cpu", precision: str = "auto") -> None:
        if precision == "auto":
            precision = "fp16" if device.startswith("cuda") else "fp32"
        self.description = f"eager PyTorch, {precision} on {device}"
        self.input_px = weights.architecture.input_px
        self.score_map = weights.score_map
        self.skeleton = weights.skeleton
        self.weights_name, self.weights_sha256 = weights.name, weights.sha256
        self._device = torch.device(device)
        self._model = weights.decoded().to(self._device)
        self._half = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]

    def submit(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> _Done:
        """Computes at once: the ticket is ready when this returns."""
        if not boxes:
            return _Done(EngineOutput.nobody(len(self.skeleton)))
        crops = np.stack([cut(image_bgr, crop_camera(box, K, self.input_px)) for box in boxes])
        batch = torch.from_numpy(np.ascontiguousarray(crops[..., ::-1].transpose(0, 3, 1, 2)))
        with torch.inference_mode(), torch.autocast(self._device.type, self._half, enabled=self._half is not None):
            joints, presence = self._model(batch.to(self._device).float())
        return _Done(EngineOutput(joints.float().cpu().numpy(), presence.float().cpu().numpy()))

    def infer(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> EngineOutput:
        """Submit + result."""
        return self.submit(image_bgr, boxes, K).result()

    def close(self) -> None:
        """Nothing to release."""

    def __enter__(self) -> EagerEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
