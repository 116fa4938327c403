"""What the driver says about a card: `nvidia-smi`, which comes with it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

import torch

ASK_S = 10.0


def ask_driver(device: torch.device, *fields: str) -> dict[str, str]:
    """Fields of `nvidia-smi --help-query-gpu` of one card; empty where there is no card or no such program."""
    if device.type != "cuda" or not (said := _said(*fields, of=(f"--id={_id(device)}",))):
        return {}
    values = [value.strip() for value in said.split(",")]
    return dict(zip(fields, values, strict=True)) if len(values) == len(fields) else {}


def driver_version(device: torch.device) -> str:
    """Of the driver, else of the CUDA that it brings."""
    if said := ask_driver(device, "driver_version").get("driver_version"):
        return said
    return str(torch.version.cuda)


def any_driver_version() -> str:
    """Of the driver of NVIDIA cards, whatever PyTorch was built for; empty where there is none."""
    return _said("driver_version").partition("\n")[0]


def _said(*fields: str, of: Sequence[str] = ()) -> str:
    """A line for each card; empty where there is no such program, or it fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    command = [program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits", *of]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _id(device: torch.device) -> str:
    """The card's own id: the program's numbers may count other cards than the driver's."""
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    return f"GPU-{uuid}" if uuid is not None else str(device.index or 0)
