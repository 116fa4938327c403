"""The engine for NVIDIA cards without anything to build: crop, network and decode as one CUDA graph per batch size.

Frames go up as uint8 through pinned memory, while the frame before is computed; 113 numbers per person come down.
Weights are in half precision with batch normalisation folded in; crop, soft-max and sums run in float32. The engine
is accepted only after it agreed with the eager one on bundled crops and on extreme pictures.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from engine.backends import EngineError
from engine.backends.acceptance import accept, eager_answers, judged_pictures
from engine.backends.card_crop import cut_on_card
from engine.backends.card_engine import CardEngine, card_name
from engine.backends.half_network import TYPES, PosesInCrops, Prepare
from engine.backends.lanes import CardLane, Lane
from engine.weights import Weights


class PosesInFrame(nn.Module):
    """Everything that happens on the card, from the frame to the numbers."""

    def __init__(self, weights: Weights, dtype: torch.dtype) -> None:
        super().__init__()
        self.size_px = weights.architecture.input_px
        self.prepare = Prepare(dtype)
        self.poses_in_crops = PosesInCrops(weights, dtype).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.eval()

    def forward(
        self, frame_bgr: UInt8[Tensor, "h w 3"], numbers: Float32[Tensor, "n 16"]
    ) -> tuple[Float32[Tensor, "n 16 7"], Float32[Tensor, "n"]]:
        """Joints with spreads, and the probability of presence, of each box."""
        return self.poses(cut_on_card(frame_bgr, numbers, size_px=self.size_px))

    def poses(self, crops_rgb: Float[Tensor, "n 3 s s"]) -> tuple[Float32[Tensor, "n 16 7"], Float32[Tensor, "n"]]:
        """The same for crops that are cut."""
        return self.poses_in_crops(self.prepare(crops_rgb).contiguous(memory_format=torch.channels_last))

    def recorded(self, lane: Lane, frame_bgr: Tensor, numbers: Tensor, outputs: Tensor) -> Callable[[], None]:
        """All of it on this memory, as one thing to run."""

        @torch.inference_mode()
        def work() -> None:
            joints, presence = self(frame_bgr, numbers)
            outputs[:, :-1] = joints.flatten(1)
            outputs[:, -1] = presence

        return lane.record(work)


class CudaEngine(CardEngine):
    """The network of PyTorch, recorded."""

    name = "cuda"

    def __init__(
        self, weights: Weights, *, device: str = "cuda", precision: str = "auto", lane: Lane | None = None
    ) -> None:
        """`lane` is for tests: without one the work is queued on the card `device`."""
        if lane is None and not torch.cuda.is_available():
            raise EngineError("no CUDA device is usable; `python run.py doctor` says what is there")
        precision = "fp16" if precision == "auto" else precision
        try:
            lane = CardLane(device) if lane is None else lane
            network = PosesInFrame(weights, TYPES[precision]).to(lane.device)
            super().__init__(weights, lane, network)
            self.description = f"CUDA graphs, {precision} on {card_name(lane.device)}"
            pictures = judged_pictures(self.input_px)
            ours, theirs = self._answers(pictures), eager_answers(weights, pictures, lane.device)
        except RuntimeError as error:  # of memory, of the driver, of a kernel that this card lacks
            reason = " ".join(str(error).split())[:200]
            raise EngineError(f"the cuda engine does not start ({reason}); try --engine eager or openvino") from error
        accept(ours, theirs, weights.architecture, engine="cuda", precision=precision)
