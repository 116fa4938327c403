"""`rig.toml`, the project's own file: x_cam = R x_world + t_m, metres, seconds. Unknown keys are errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

from calib.camera import DIST_LENGTHS, Camera
from calib.errors import UserError
from calib.formats import checked
from calib.formats.toml_text import key, table
from calib.rig import Clock, Quality, Rig
from calib.verdict import Light

SCHEMA = 1
Model = Literal["pinhole", "fisheye"]
TOP = ("schema", "cameras", "quality")
CAMERA = ("model", "width", "height", "K", "dist", "R", "t_m", "clock_offset_s", "clock_drift_ppm", "assumed")
FIGURES = ("rms_px", "rotation_sigma_deg", "translation_sigma_deg", "scale_sigma")
QUALITY = ("verdict", "reasons", "made_from", "metric", *FIGURES)


def is_rig(document: Mapping[str, Any]) -> bool:
    """Whether this TOML is meant to be ours."""
    return "schema" in document


def read(document: Mapping[str, Any], name: str) -> Rig:
    """The rig. UserError names the file, the camera and the key."""
    schema = document["schema"]
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise UserError(f"{name}: schema = {schema!r} is none; known: {SCHEMA}")
    if schema > SCHEMA:
        raise UserError(f"{name} has schema {schema}, this program reads up to {SCHEMA}; update the program")
    _known(document, TOP, name)
    tables = checked.mapping(checked.wanted(document, "cameras", name), f"{name}, cameras")
    if not tables:
        raise UserError(f"{name} has no camera; calibrate again")
    cameras = {label: _camera(raw, f"{name}, camera {label}") for label, raw in tables.items()}
    clocks = {label: _clock(raw, f"{name}, camera {label}") for label, raw in tables.items()}
    clocks = {label: clock for label, clock in clocks.items() if clock != Clock()}
    quality = _quality(document["quality"], f"{name}, quality") if "quality" in document else None
    homeless = [label for label, camera in cameras.items() if camera.cam_from_world is None]
    if homeless and len(cameras) > 1:
        raise UserError(f"{name}, camera {homeless[0]} has no `R` and `t_m`; calibrate the rig again")
    return Rig(cameras, clocks, quality)


def write(rig: Rig) -> str:
    """The file's text; numbers to the last bit."""
    pieces = [f"# x_cam = R x_world + t_m; metres; pixel centres are integers\nschema = {SCHEMA}\n"]
    for name, camera in rig.cameras.items():
        clock = rig.clocks.get(name, Clock())
        placed = camera.cam_from_world is not None
        items = {
            "model": camera.model,
            "width": camera.width,
            "height": camera.height,
            "K": camera.K,
            "dist": camera.dist,
            "R": camera.R if placed else None,
            "t_m": camera.t if placed else None,
            "clock_offset_s": float(clock.offset_s),
            "clock_drift_ppm": float(clock.drift_ppm),
            "assumed": True if camera.assumed else None,
        }
        pieces.append(table(f"cameras.{key(name)}", items))
    if rig.quality is not None:
        pieces.append(_quality_table(rig.quality))
    return "\n".join(pieces)


def _quality_table(quality: Quality) -> str:
    figures = {name: getattr(quality, name) for name in FIGURES}
    items = {
        "verdict": quality.verdict,
        "reasons": list(quality.reasons),
        "made_from": quality.made_from,
        "metric": quality.metric,
        **{name: None if figure is None else float(figure) for name, figure in figures.items()},
    }
    return table("quality", items)


def _camera(raw: Any, where: str) -> Camera:
    raw = checked.mapping(raw, where)
    _known(raw, CAMERA, where)
    model = cast(Model, checked.word(checked.wanted(raw, "model", where), f"{where}, model", DIST_LENGTHS))
    size = [checked.wanted(raw, side, where) for side in ("width", "height")]
    dist = checked.array(checked.wanted(raw, "dist", where), f"{where}, dist").ravel()
    if len(dist) not in DIST_LENGTHS[model]:
        lengths = " or ".join(map(str, DIST_LENGTHS[model]))
        raise UserError(f"{where}: dist of a {model} camera needs {lengths} numbers, not {len(dist)}")
    assumed = _flag(raw.get("assumed", False), f"{where}, assumed")
    K, R, t = checked.wanted(raw, "K", where), raw.get("R"), raw.get("t_m")
    if (R is None) != (t is None):
        raise UserError(f"{where} has only one of `R` and `t_m`; give both or none")
    camera = checked.camera(where, size=checked.size_px(size, f"{where}, size"), K=K, dist=dist, R=R, t=t, model=model)
    place = camera.cam_from_world
    return Camera(camera.width, camera.height, camera.K, camera.dist, model, place, assumed)


def _clock(raw: Mapping[str, Any], where: str) -> Clock:
    offset_s = checked.number(raw.get("clock_offset_s", 0.0), f"{where}, clock_offset_s")
    return Clock(offset_s, checked.number(raw.get("clock_drift_ppm", 0.0), f"{where}, clock_drift_ppm"))


def _quality(raw: Any, where: str) -> Quality:
    raw = checked.mapping(raw, where)
    _known(raw, QUALITY, where)
    verdict = cast(Light, checked.word(checked.wanted(raw, "verdict", where), f"{where}, verdict", get_args(Light)))
    reasons = raw.get("reasons", [])
    if not (isinstance(reasons, list) and all(isinstance(reason, str) for reason in reasons)):
        raise UserError(f"{where}: reasons is a list of sentences, not {reasons!r}")
    made_from = raw.get("made_from", "unknown")
    if not isinstance(made_from, str):
        raise UserError(f"{where}: made_from is a word, not {made_from!r}")
    figures = {name: checked.number(raw[name], f"{where}, {name}") for name in FIGURES if name in raw}
    return Quality(verdict, tuple(reasons), made_from, _flag(raw.get("metric", False), f"{where}, metric"), **figures)


def _flag(raw: Any, where: str) -> bool:
    if not isinstance(raw, bool):
        raise UserError(f"{where} is true or false, not {raw!r}")
    return raw


def _known(raw: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(raw) - set(known)):
        raise UserError(f"{where} has unknown {', '.join(unknown)}; known: {', '.join(known)}")
