"""The engine for NVIDIA cards: crop, network and decode as one CUDA graph per batch size.

Frames go up as uint8 through pinned memory, while the frame before is computed; 97 numbers per person come down.
Weights are in half precision with batch normalisation folded in; crop, soft-max and sums run in float32. The engine
is accepted only after it agreed with the eager one on bundled crops.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, UInt8
from numpy import ndarray
from torch import Tensor, nn

from engine.backends import EngineError
from engine.backends.agreement import Agreement, agreement
from engine.backends.calibration import split_crops
from engine.backends.card_crop import crop_numbers, cut_on_card
from engine.backends.eager import EagerEngine
from engine.backends.fast_decode import decode_by_gathering
from engine.backends.fold import fold_batchnorm
from engine.backends.lanes import CardLane, Lane
from engine.backends.slots import BATCHES, Slot, SlotTicket
from engine.crop import Box, camera_matrix
from engine.joints import EngineOutput
from engine.weights import Weights

SLOTS = 2
TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
# against eager fp32 on bundled crops: a joint may jump between two peaks of nearly equal height
TOLERANCES = {
    "fp16": Agreement(median_voxels=0.05, apart=0.05),
    "bf16": Agreement(median_voxels=0.1, apart=0.1),
    "fp32": Agreement(median_voxels=0.02, apart=0.02),
}
JUDGED_CROPS = 16


class PosesInFrame(nn.Module):
    """Everything that happens on the card, from the frame to the numbers."""

    mean: Tensor
    std: Tensor

    def __init__(self, weights: Weights, dtype: torch.dtype) -> None:
        super().__init__()
        decoded = weights.decoded()
        self.size_px, self.window = weights.architecture.input_px, weights.window
        self.network = fold_batchnorm(decoded.network).to(dtype=dtype, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.register_buffer("mean", decoded.mean)
        self.register_buffer("std", decoded.std)
        self._dtype = dtype
        self.eval()

    def forward(
        self, frame_bgr: UInt8[Tensor, "h w 3"], numbers: Float32[Tensor, "n 16"]
    ) -> tuple[Float32[Tensor, "n 16 7"], Float32[Tensor, "n"]]:
        """Joints with spreads, and the probability of presence, of each box."""
        crops_rgb = cut_on_card(frame_bgr, numbers, size_px=self.size_px)
        return self.poses(crops_rgb)

    def poses(self, crops_rgb: Float[Tensor, "n 3 s s"]) -> tuple[Float32[Tensor, "n 16 7"], Float32[Tensor, "n"]]:
        """The same for crops that are cut."""
        pictures = ((crops_rgb - self.mean) / self.std).to(self._dtype, memory_format=torch.channels_last)
        volume, presence = self.network(pictures)
        return decode_by_gathering(volume, window=self.window), torch.sigmoid(presence.float())


@dataclass(frozen=True, slots=True)
class _Nobody:
    def result(self) -> EngineOutput:
        return EngineOutput(np.zeros((0, 16, 7), np.float32), np.zeros(0, np.float32))


class CudaEngine:
    """Runs on one card. Frames of a new size take new memory; the graphs of a size are recorded as they are needed,
    and all of them once a second frame of that size comes.
    """

    name = "cuda"

    def __init__(
        self, weights: Weights, *, device: str = "cuda", precision: str = "auto", lane: Lane | None = None
    ) -> None:
        """`lane` is for tests: without one the work is queued on the card `device`."""
        if lane is None and not torch.cuda.is_available():
            raise EngineError("no CUDA device is usable; `python run.py doctor` says what is there")
        precision = "fp16" if precision == "auto" else precision
        self.input_px = weights.architecture.input_px
        self.score_map = weights.score_map
        self.weights_name, self.weights_sha256 = weights.name, weights.sha256
        self._slots: list[Slot] = []
        self._frame_shape: tuple[int, int] | None = None
        self._frames = 0  # of this shape
        try:
            self._lane: Lane = CardLane(device) if lane is None else lane
            self.description = f"CUDA graphs, {precision} on {_card(self._lane.device)}"
            self._network = PosesInFrame(weights, TYPES[precision]).to(self._lane.device)
            self._accept(weights, precision)
        except RuntimeError as error:  # of memory, of the driver, of a kernel that this card lacks
            reason = " ".join(str(error).split())[:200]
            raise EngineError(f"the cuda engine does not start ({reason}); try --engine eager or openvino") from error

    def submit(
        self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]
    ) -> SlotTicket | _Nobody:
        """Queue a frame; it is copied at once, so it may be written to afterwards."""
        if not boxes:
            return _Nobody()
        height, width = image_bgr.shape[:2]
        self._make_room((height, width))
        numbers = np.stack([crop_numbers(box, K, self.input_px, (width, height)) for box in boxes])
        slot = self._slots[self._frames % SLOTS]
        self._frames += 1
        return slot.submit(image_bgr, numbers)

    def infer(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> EngineOutput:
        """Submit and result."""
        return self.submit(image_bgr, boxes, K).result()

    def close(self) -> None:
        """Read what is still under way and give the card's memory back."""
        self._release()
        self._network = nn.Module()
        if self._lane.device.type == "cuda":
            torch.cuda.empty_cache()

    def __enter__(self) -> CudaEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_room(self, frame_shape: tuple[int, int]) -> None:
        if frame_shape != self._frame_shape:
            self._release()
            self._slots = [Slot(self._lane, self._network, frame_shape) for _ in range(SLOTS)]
            self._frame_shape = frame_shape
        elif self._frames == 1:  # a stream, not a folder of photos
            for slot in self._slots:
                for batch in BATCHES:
                    slot.program(batch)

    def _release(self) -> None:
        for slot in self._slots:
            slot.drain()
        self._slots, self._frame_shape, self._frames = [], None, 0
        self._lane.release()

    def _accept(self, weights: Weights, precision: str) -> None:
        """EngineError where the joints are not those of the eager engine on the same device."""
        crops = split_crops(self.input_px)[1][:JUDGED_CROPS]
        K = camera_matrix(self.input_px, self.input_px, fov_deg=60)
        box = Box(np.full(2, (self.input_px - 1) / 2), float(self.input_px))
        with EagerEngine(weights, device=str(self._lane.device), precision="fp32") as eager:
            theirs = np.concatenate([eager.infer(crop, [box], K).joints for crop in crops])
        ours = np.concatenate([self.infer(crop, [box], K).joints for crop in crops])
        self._release()
        seen, tolerance = agreement(ours, theirs, weights.architecture), TOLERANCES[precision]
        if not seen.within(tolerance):
            raise EngineError(
                f"the cuda engine in {precision} disagrees with eager ({seen.against(tolerance)}); "
                "use --engine eager, or another --precision"
            )


def _card(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
