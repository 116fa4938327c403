"""What TensorRT has built for some weights on a card, what it refused, and building it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.backends import quantise, torchtrt
from engine.backends.acceptance import RefusedError
from engine.backends.building import Build
from engine.backends.cache import cache_folder, cache_key, cached, forget
from engine.backends.card import driver_version
from engine.backends.card_engine import card_name
from engine.backends.slots import BATCHES
from engine.backends.tensorrt_build import ABOUT, Job, Say
from engine.weights import Weights, write_weights

# changes whenever the graph or the way of building does
REVISION = "1"
COMPILE = "`python run.py compile`"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be had for some weights on a card, and where it lies once it is built."""

    weights: Weights
    device: torch.device
    precision: str
    name: str  # of the folder in the cache: weights, card, driver, versions, precision and shape are in it
    again: str = COMPILE  # what tries again

    @property
    def folder(self) -> Path:
        """Where the engines lie, or will."""
        return cache_folder() / self.name

    @property
    def refusal(self) -> str | None:
        """Why what was built before is not used; None where nothing was refused."""
        path = self._refusal_file
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def check(self) -> None:
        """RefusedError where what was built before was refused."""
        if (reason := self.refusal) is not None:
            raise RefusedError(f"{reason}; {self.again} tries again")

    def about(self) -> dict[str, Any]:
        """What was found when it was built."""
        return json.loads((self.folder / ABOUT).read_text(encoding="utf-8"))

    def forget(self) -> None:
        """Remove what was built, and what was refused."""
        forget(self.folder)
        self._refusal_file.unlink(missing_ok=True)

    def refuse(self, reason: str) -> None:
        """Remember that this is not to be had, so that nobody builds it again for nothing."""
        forget(self.folder)
        self._refusal_file.parent.mkdir(parents=True, exist_ok=True)
        self._refusal_file.write_text(reason, encoding="utf-8")

    @property
    def _refusal_file(self) -> Path:
        return cache_folder() / f"{self.name}.refused"


def plan(weights: Weights, *, device: str = "cuda", precision: str = "auto") -> Plan:
    """The engines for these weights on this card; nothing is loaded for that. EngineError where it cannot have them."""
    precision = "fp16" if precision == "auto" else precision
    place = _numbered(torch.device(device))
    card: tuple[str, ...] = (card_name(place), driver_version(place))
    if precision in quantise.EXPONENT_BITS:
        quantise.check(precision, place)
        card += quantise.depends_on()
    key = cache_key(weights, REVISION, *card, *torchtrt.versions(), precision, str(BATCHES))
    return Plan(weights, place, precision, f"tensorrt-{weights.name}-{precision}-{key}")


def build(wanted: Plan, say: Say, *, begun: Callable[[Build], None] = lambda _: None) -> None:
    """Build what is not there, in a process of its own; `begun` gets it, to kill it.

    RefusedError where the result is not good enough, which is remembered; EngineError where it failed or was killed.
    """
    wanted.check()

    def fill(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as other:
            file = Path(other) / f"{wanted.weights.name}.safetensors"
            write_weights(wanted.weights, file)
            job = Job(str(file), str(wanted.device), wanted.precision, str(folder))
            process = Build(job, wanted.folder.with_suffix(".log"))
            begun(process)
            process.wait(say)

    try:
        cached(wanted.name, fill)
    except RefusedError as error:
        wanted.refuse(str(error))
        raise


def _numbered(device: torch.device) -> torch.device:
    """TensorRT wants to know which card."""
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device
