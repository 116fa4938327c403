"""The network in int8 for OpenVINO: quantised after training by nncf, judged, and kept on this machine.

Calibrated with bundled rendered crops. Convolutions run in int8; the head, both attentions, the presence and the
decode stay in floating point: measured on 300 photos, that is nearer to float32 and no slower. Whoever is quantised
is compared with float32 on crops that were held out, and refused where joints disagree by more than the tolerance.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import logging
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import openvino as ov
from jaxtyping import Float32, UInt8
from numpy import ndarray

from engine.backends import EngineError
from engine.backends.agreement import Agreement, agreement
from engine.backends.cache import cache_key, cached, forget
from engine.backends.calibration import BUNDLED_CROPS, split_crops
from engine.weights import Weights

MODEL = "model.xml"
# changes whenever the graph or the way of quantising does
REVISION = "1"
# operations that stay in floating point, by name; those of the decode carry no module's name
FLOAT = ("aten::.*", r".*\.network\.head/.*", r".*\.network\.presence/.*", r".*\.cbam_(in|out)[./].*")
# against float32 on crops that were held out; `lite` has a median of 0.04 voxel and 6 % of the joints apart, most of
# them on people whom no format is sure of
TOLERANCE = Agreement(median_voxels=0.15, apart=0.15)
_log = logging.getLogger(__name__)


def int8_model(core: ov.Core, weights: Weights, model: ov.Model) -> ov.Model:
    """`model` (of one crop, float32), quantised; from the cache where it was before.

    EngineError when nncf is missing, or when the quantised network disagrees with the original.
    """
    name = f"int8-{weights.name}-{_key(core, weights)}"
    path = cached(name, lambda folder: _build(core, weights, model, folder))
    try:
        return core.read_model(path / MODEL)
    except RuntimeError:
        _log.warning("%s is damaged and is made anew", path)
        forget(path)
        return core.read_model(cached(name, lambda folder: _build(core, weights, model, folder)) / MODEL)


def _key(core: ov.Core, weights: Weights) -> str:
    crops = hashlib.sha256(BUNDLED_CROPS.read_bytes()).hexdigest()
    nncf = version("nncf") if find_spec("nncf") else ""
    processor = core.get_property("CPU", "FULL_DEVICE_NAME")  # some saturate where others do not
    return cache_key(weights, REVISION, ov.__version__, nncf, processor, crops)


def _build(core: ov.Core, weights: Weights, model: ov.Model, folder: Path) -> None:
    if find_spec("nncf") is None:
        raise EngineError('int8 needs nncf; `pip install -e ".[int8]"`, or use another --precision')
    _log.warning("making the int8 network for this machine, once; this takes some seconds")
    calibrate, judge = split_crops(weights.architecture.input_px)
    quantised = _quantised(model, calibrate)
    seen = agreement(_joints(core, quantised, judge), _joints(core, model, judge), weights.architecture)
    if not seen.within(TOLERANCE):
        raise EngineError(
            f"int8 disagrees with fp32 for {weights.name} ({seen.against(TOLERANCE)}); use --precision bf16"
        )
    _log.info("int8 agrees with fp32: %s", seen.against(TOLERANCE))
    ov.save_model(quantised, folder / MODEL, compress_to_fp16=False)


def _quantised(model: ov.Model, crops: UInt8[ndarray, "n s s 3"]) -> ov.Model:
    # nncf draws progress bars on stdout, which belongs to the program
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        nncf = importlib.import_module("nncf")
        logging.getLogger("nncf").setLevel(logging.ERROR)
        return nncf.quantize(
            model,
            nncf.Dataset([crop[None] for crop in crops]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(crops),
            ignored_scope=nncf.IgnoredScope(patterns=list(FLOAT), validate=False),
        )


def _joints(core: ov.Core, model: ov.Model, crops: UInt8[ndarray, "n s s 3"]) -> Float32[ndarray, "n joints 7"]:
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled(crop[None])[0] for crop in crops])
