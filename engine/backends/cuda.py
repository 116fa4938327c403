"""The engine for NVIDIA cards without anything to build: crop, network and decode as one CUDA graph per batch size.

Frames go up as uint8 through pinned memory, while the frame before is computed; seven numbers of each joint come down.
Weights are in half precision with batch normalisation folded in; crop, soft-max and sums run in float32. The engine
is accepted only after it agreed with the eager one on bundled crops and on extreme pictures.
"""

from __future__ import annotations

import logging

import torch

from engine.backends import EngineError
from engine.backends.acceptance import RefusedError, accept, eager_answers, judged_pictures
from engine.backends.card_engine import CardEngine, card_name
from engine.backends.half_network import TYPES
from engine.backends.lanes import CardLane, Lane
from engine.backends.pieces import PLAIN, Pieces, faster, on_a_card, plain_pieces
from engine.weights import Weights

_log = logging.getLogger(__name__)


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
            plain = plain_pieces(weights, TYPES[precision], lane.device)
            quick = faster(plain, lane) if on_a_card(lane) else plain
            pictures = judged_pictures(weights.architecture.input_px)
            theirs = eager_answers(weights, pictures, lane.device)
            for pieces in (quick, plain):
                super().__init__(weights, lane, pieces)
                try:
                    accept(self._answers(pictures), theirs, weights.architecture, engine="cuda", precision=precision)
                    break
                except RefusedError as error:
                    if not pieces.fused:
                        raise
                    _log.warning("%s; PyTorch's own kernels are tried", error)
        except EngineError:
            raise
        except RuntimeError as error:  # of memory, of the driver, of a kernel that this card lacks
            reason = " ".join(str(error).split())[:200]
            raise EngineError(
                f"the cuda engine does not start ({reason}); try {PLAIN}=1, or --engine eager or openvino"
            ) from error
        self.description = f"CUDA graphs, {precision} on {card_name(lane.device)}{_own(pieces)}"


def _own(pieces: Pieces) -> str:
    return f", {', '.join(pieces.fused)} fused" if pieces.fused else ""
