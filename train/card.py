"""What a run writes down about itself: its configuration.json, and the card of its weights.

Both say what the run began with. The card also holds the sittings before it, so that a file which was trained in three
sittings says all three.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.weights import Weights
from train.callbacks import LAST
from train.datasets.catalogue import terms_of
from train.datasets.found import Found
from train.fit import PoseTraining
from train.recipe import Recipe

CONFIGURATION = "configuration.json"
SHOWN_OF_SHA256 = 12  # digits by which people tell files apart
# of a sitting's recipe: what one would ask for first
MAIN_NUMBERS = ("phases", "learning_rate", "batch", "schedule", "seed", "frozen", "lean")
TERMS = {
    "lspet": "LSP extended (Johnson and Everingham 2011): citation asked for, photos from Flickr",
    "everyday": "clothing-co-parsing (Apache-2.0 file), free-exercise-db (Unlicense), others unstated; "
    "pseudo-labels by MediaPipe",
    "coco_mini": "COCO annotations CC BY 4.0, photos by their Flickr licences",
    "coco_new": "COCO annotations CC BY 4.0, photos by their Flickr licences",
    "people416": "a Roboflow export whose README says CC BY 4.0, who took the photos is not stated; "
    "pseudo-labels by MediaPipe",
    "photos": "jetson-inference pictures, MIT-like NVIDIA licence",
    "textures_dtd": "Describable Textures Dataset (Cimpoi et al. 2014): research use",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the first state of a run came from."""

    preset: str | None = None
    started_from: dict[str, str] | None = None  # weights with their sha256, or a backbone; None: random numbers
    history: tuple[dict[str, object], ...] = ()  # the sittings before, the oldest first


def origin_of(warm_start: Weights | None, backbone: str | None, *, preset: str | None) -> Origin:
    """Of a run that begins with weights, with a backbone (by the name it was asked for), or with neither."""
    if backbone is not None:
        return Origin(preset, {"backbone": Path(backbone).name})
    if warm_start is None:
        return Origin(preset)
    earlier = warm_start.card.get("history") or []
    assert isinstance(earlier, list)
    begun = {"weights": warm_start.name, "sha256": warm_start.sha256}
    return Origin(preset, begun, (*earlier, sitting_of(warm_start)))


def sitting_of(weights: Weights) -> dict[str, object]:
    """One line of a history: what the card of a file says of the sitting that made it."""
    card = weights.card
    recipe = card.get("recipe")
    told: dict[str, object] = {"weights": weights.name, "sha256": weights.sha256, "crops": card.get("images_seen")}
    told |= {name: card[name] for name in ("hours", "commit", "preset", "started_from") if name in card}
    numbers = recipe if isinstance(recipe, dict) else {}
    return told | {"recipe": {name: numbers[name] for name in MAIN_NUMBERS if name in numbers}}


def kept_origin(out: Path, origin: Origin) -> Origin:
    """A run that goes on began where its configuration says, whatever the command says now; else `origin`."""
    path = out / CONFIGURATION
    if not (out / LAST).is_file() or not path.is_file():
        return origin
    held = json.loads(path.read_text(encoding="utf-8"))
    if "started_from" not in held:  # written by the version before
        return origin
    return Origin(origin.preset or held.get("preset"), held["started_from"], tuple(held["history"]))


def write_configuration(out: Path, name: str, recipe: Recipe, found: Sequence[Found], origin: Origin | None) -> None:
    """Store what a run is made of. It is read when the run goes on, so it is whole at any moment."""
    out.mkdir(parents=True, exist_ok=True)
    record = {
        "weights": name,
        **_begun(origin),
        "recipe": asdict(recipe),
        "commit": _commit(),
        "data": [{"folder": f.folder.name, "kind": f.kind, "samples": len(f.samples)} for f in found],
    }
    part = out / f"{CONFIGURATION}.part"
    part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    os.replace(part, out / CONFIGURATION)


def card_of(found: Sequence[Found], recipe: Recipe, run: PoseTraining, origin: Origin | None) -> dict[str, object]:
    """The card of a finished run, without its figures."""
    data = [
        {
            "name": f.folder.name,
            "kind": f.kind,
            "samples": len(f.samples),
            "terms": TERMS.get(f.folder.name) or _terms(f),
        }
        for f in found
    ]
    return {
        "data": data,
        **_begun(origin),
        "recipe": asdict(recipe),
        "images_seen": run.images_seen,
        "hours": round(run.hours, 2),
        "commit": _commit(),
    }


def _begun(origin: Origin | None) -> dict[str, object]:
    """Nothing where it is not known: null would mean random numbers."""
    if origin is None:
        return {}
    return {"preset": origin.preset, "started_from": origin.started_from, "history": list(origin.history)}


def _terms(found: Found) -> str:
    return "made by this program" if found.kind == "synthetic" else terms_of(found.folder) or "not stated"


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None  # not a clone: the card says so by null
