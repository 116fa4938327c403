"""In which precision a TensorRT engine multiplies, as its own inspector says: what was asked for may not be what is."""

from __future__ import annotations

import json
import re
from collections import Counter

from engine.backends.acceptance import RefusedError

# layers that multiply by weights, by type, parameters or kernel: CaskConvolution, CaskDeconvolutionV2, gemm,
# sm90_xmma_fprop_implicit_gemm_f16f16 ...; not: convert
MULTIPLIES = re.compile(r"conv(?!ert)|fprop|dgrad|gemm|matrixmultiply|matmul", re.IGNORECASE)
# "Half" or "Row major linear FP16 format", by version; the narrower words first
WORDS = (
    ("fp8", re.compile(r"fp8|e4m3", re.IGNORECASE)),
    ("int8", re.compile(r"int8|\bi8\b", re.IGNORECASE)),
    ("bf16", re.compile(r"bf16|bfloat16", re.IGNORECASE)),
    ("fp16", re.compile(r"fp16|half", re.IGNORECASE)),
    ("fp32", re.compile(r"fp32|float", re.IGNORECASE)),
)


def multiplying_precisions(inspected: str) -> Counter[str]:
    """How many layers multiply in which precision, from the inspector's JSON.

    RefusedError where it does not tell: the engine was built without details, or has no such layer.
    """
    layers = json.loads(inspected).get("Layers", [])
    if not all(isinstance(layer, dict) for layer in layers):
        raise RefusedError("TensorRT names the engine's layers only, so its precisions cannot be read back")
    found = Counter(precision for layer in layers if (precision := _precision(layer)) is not None)
    if not found:
        raise RefusedError("TensorRT's inspector shows no convolution, so the engine's precisions cannot be read back")
    return found


def check_precisions(found: Counter[str], wanted: str, *, in_half: int = 0) -> None:
    """RefusedError where the engine does not multiply in the precision `wanted`.

    `in_half` products were left in half precision on purpose: TensorRT may join them, but there are not more of them.
    """
    half = found["fp16"] if wanted != "fp16" else 0
    if found[wanted] + half != found.total() or half > in_half or not found[wanted]:
        said = ", ".join(f"{count} in {precision}" for precision, count in found.most_common())
        meant = f" ({in_half} were left in fp16)" if in_half else ""
        raise RefusedError(f"TensorRT did not build the engine in {wanted}: of its multiplying layers {said}{meant}")


def _precision(layer: dict[str, object]) -> str | None:
    """Of a layer that multiplies: that of its first input that is a floating-point number, or quantised."""
    what = " ".join(str(layer.get(key, "")) for key in ("LayerType", "ParameterType", "TacticName"))
    inputs = layer.get("Inputs")
    if not MULTIPLIES.search(what) or not isinstance(inputs, list):
        return None
    for taken in inputs:
        form = str(taken.get("Format/Datatype", ""))
        for precision, word in WORDS:
            if word.search(form):
                return precision
    return None
