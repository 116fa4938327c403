"""What is installed, which processors, which cameras, and what to do next."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from engine.errors import UserError, library_advice

# distribution: what it is for, and what is missing without it
PACKAGES = {
    "torch": ("network", True),
    "openvino": ("fast engine on CPUs", True),
    "opencv-python": ("cameras, pictures", True),
    "av": ("video files and streams", True),
    "open3d": ("window", True),
    "numpy": ("arrays", True),
    "nncf": ("--precision int8, extra [int8]", False),
    "onnxruntime": ("--engine onnx, extra [onnx]", False),
    "lightning": ("training, extra [train]", False),
    "anny": ("synthetic people, extra [train]", False),
}
SAME_IMPORT = {"open3d": "open3d-cpu", "opencv-python": "opencv-python-headless"}
# what loads libraries of the system, and its import
LOADS_LIBRARIES = {"open3d": "open3d", "opencv-python": "cv2"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    what: str
    state: Literal["ok", "note", "missing"]
    says: str


def examine() -> list[Finding]:
    """Looks at everything that the program can use; takes some seconds."""
    return [_python(), *packages(), *_processors(), _weights(), *_cameras(), _screen()]


def advice(findings: list[Finding]) -> str:
    """The next thing to do."""
    if any(f.state == "missing" for f in findings):
        return "install what is missing: `pip install -e .` in the program's folder"
    if any(f.what == "weights" and f.state != "ok" for f in findings):
        return "get weights: `python run.py pretrain DATASET...`"
    if any(f.what == "camera" and f.state == "ok" for f in findings):
        index = next(f.says.split()[0] for f in findings if f.what == "camera" and f.state == "ok")
        return f"all set: `python run.py --camera {index}`"
    return "no camera, so try `python run.py demo` or `python run.py --video FILE`"


def _python() -> Finding:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("python", "ok" if sys.version_info >= (3, 11) else "missing", text)


def packages() -> list[Finding]:
    """The packages, and whether those that need libraries of the system find them."""
    found = []
    for name, (purpose, needed) in PACKAGES.items():
        installed = _version(name) or _version(SAME_IMPORT.get(name, name))
        state = "ok" if installed else "missing" if needed else "note"
        says = f"{installed or 'not installed'} ({purpose})"
        if installed and name in LOADS_LIBRARIES and (failure := _import_failure(LOADS_LIBRARIES[name])):
            state, says = "note", f"{says}: {failure}"
        found.append(Finding(name, state, says))
    return found


def _import_failure(module: str) -> str:
    """Why an installed module does not load; empty if it does."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        return library_advice(error) or " ".join(str(error).split())
    return ""


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processors() -> list[Finding]:
    found = [Finding("cpu", "ok", f"{os.cpu_count()} cores")]
    if _version("openvino"):
        import openvino

        core = openvino.Core()
        capable = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        precision = "bf16" if "BF16" in capable else "fp32"
        name = core.get_property("CPU", "FULL_DEVICE_NAME").strip()
        text = f"{os.cpu_count()} cores, {name}; OpenVINO runs in {precision}"
        found = [Finding("cpu", "ok", text)]
    if not _version("torch"):
        return found
    import torch

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return [*found, Finding("gpu", "ok", f"{names} (CUDA {torch.version.cuda})")]
    why = "this torch is built without CUDA" if torch.version.cuda is None else "torch sees no NVIDIA card"
    return [*found, Finding("gpu", "note", f"none ({why}); the CPU is used")]


def _weights() -> Finding:
    from engine.weights import load_weights

    try:
        weights = load_weights("auto")
    except UserError as error:
        return Finding("weights", "note", str(error))
    figures = weights.card.get("figures")
    pck = figures.get("validation_pck_at_0.2") if isinstance(figures, dict) else None
    quality = f", PCK@0.2 {pck:.2f} on its validation list" if isinstance(pck, float) else ""
    return Finding("weights", "ok", f"{weights.name} {weights.sha256[:12]}{quality}")


def _cameras() -> list[Finding]:
    from realtime.sources import SourceError
    from realtime.sources.camera import CameraSource
    from realtime.sources.device import camera_indices, camera_name

    if not sys.platform.startswith("linux"):
        return [Finding("camera", "note", "not listed on this system; try `python run.py --camera 0`")]
    found = []
    for index in camera_indices():
        try:
            source = CameraSource(index)
        except SourceError as error:
            name = camera_name(index)
            found.append(Finding("camera", "note", f"{name}: {error}" if name else str(error)))
            continue
        found.append(Finding("camera", "ok", f"{index} {source.description}"))
        source.close()
    return found or [Finding("camera", "note", "none connected")]


def _screen() -> Finding:
    from realtime.viewer import has_screen

    return (
        Finding("screen", "ok", "there")
        if has_screen()
        else Finding("screen", "note", "none: runs headless, use --save")
    )
