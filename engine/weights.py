"""Weights files: safetensors with metadata. Loading never unpickles, and names what does not fit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from engine import user_weights
from engine.decode import MEAN_RGB, STD_RGB, Decoded
from engine.errors import UserError
from engine.joints import ScoreMap
from engine.model import Architecture, PoseResNet
from engine.skeleton import Skeleton, skeleton_named

SCHEMA = 3  # 2 had no skeleton but mpii16, no width and no stride of the bottlenecks
OLDEST = 2
BUNDLED = Path(__file__).parent / "bundled"
NAMES = ("lite", "full")


class WeightsError(UserError):
    """A weights file that cannot be used, and what to do."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A trained network as it lies on disk."""

    name: str
    architecture: Architecture
    state: dict[str, Tensor]
    window: int | None  # of the decode that the training chose, None = global
    score_map: ScoreMap
    card: dict[str, object]  # training data and terms, recipe, figures
    sha256: str  # of the file; empty before it is written

    @property
    def skeleton(self) -> Skeleton:
        """Which joints the network predicts."""
        return self.architecture.joints

    def network(self) -> PoseResNet:
        """The network in float32, in evaluation mode. WeightsError names tensors that do not fit."""
        network = PoseResNet(self.architecture)
        expected = network.state_dict()
        wrong = sorted(expected.keys() ^ self.state.keys())
        wrong += [k for k in expected.keys() & self.state.keys() if expected[k].shape != self.state[k].shape]
        if wrong:
            raise WeightsError(
                f"{self.name}: {len(wrong)} tensors do not fit {self.architecture}, among them {wrong[:3]}; "
                "was the file made by another version? retrain it or use `--weights lite`"
            )
        network.load_state_dict({k: v.to(expected[k].dtype) for k, v in self.state.items()})
        return network.eval()

    def decoded(self) -> Decoded:
        """Network and decode in one module, as the backends compile it."""
        return Decoded(self.network(), window=self.window).eval()


def load_weights(name: str) -> Weights:
    """Bundled weights by name, own ones by theirs, or a file by path. WeightsError says what does not fit.

    `auto` is what the user's own weights say (`engine.user_weights`), else `lite`.
    """
    if name == "auto" and (own := user_weights.chosen()) is not None:
        return read_weights(own)
    wanted = "lite" if name == "auto" else name
    path = BUNDLED / f"{wanted}.safetensors" if wanted in NAMES else Path(wanted)
    if wanted in user_weights.own_names() and not path.is_file():
        path = user_weights.own_path(wanted)
    if not path.is_file():
        hint = (
            f"train it: `python run.py pretrain DATASET... --weights {wanted}`"
            if wanted in NAMES
            else f"give a .safetensors file or one of {', '.join(NAMES)}"
        )
        what = f"weights '{wanted}' are not bundled yet" if wanted in NAMES else f"no weights file {wanted}"
        raise WeightsError(f"{what}; {hint}")
    return read_weights(path)


def read_weights(path: Path) -> Weights:
    """A weights file. WeightsError when it is not safetensors, or not ours, or newer than this program."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is not a readable safetensors file ({error}); weights end in .safetensors"
        ) from error
    if "pose" not in metadata:
        raise WeightsError(
            f"{path} holds no description of a pose network; weights come from `python run.py pretrain` or `finetune`"
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        return _described(json.loads(metadata["pose"]), path, state, digest)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} has a damaged description ({error!r}); download or train it again") from error


def _described(record: dict[str, Any], path: Path, state: dict[str, Tensor], digest: str) -> Weights:
    if record["schema"] > SCHEMA:
        raise WeightsError(f"{path} has schema {record['schema']}, this program reads up to {SCHEMA}; update it")
    if record["schema"] < OLDEST:  # its scores come from other numbers than the engines give now
        raise WeightsError(f"{path} was written by an older version (schema {record['schema']}); train it again")
    try:
        skeleton = skeleton_named(tuple(record["joints"]))
    except ValueError as error:
        raise WeightsError(f"{path} predicts {error}; update this program, or take other weights") from None
    architecture = dict(record["architecture"], wasp_rates=tuple(record["architecture"]["wasp_rates"]))
    if architecture.setdefault("skeleton", skeleton.name) != skeleton.name:
        raise ValueError(f"{architecture['skeleton']} with the joints of {skeleton.name}")
    return Weights(
        name=path.stem,
        architecture=Architecture(**architecture),
        state=state,
        window=record["decode"]["window"],
        score_map=ScoreMap(**record["score_map"]),
        card=record["card"],
        sha256=digest,
    )


def write_weights(weights: Weights, path: Path) -> None:
    """Store weights in half precision (batch statistics included), atomically."""
    record = {
        "schema": SCHEMA,
        "architecture": asdict(weights.architecture),
        "joints": list(weights.skeleton.names),
        "decode": {"window": weights.window, "x": [-0.5, 0.5], "y": [-0.5, 0.5], "z": [-1.0, 1.0]},
        "normalisation": {"mean_rgb": MEAN_RGB, "std_rgb": STD_RGB},
        "score_map": asdict(weights.score_map),
        "card": weights.card,
    }
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous() for key, value in weights.state.items()
    }
    data = safetensors_bytes(state, metadata={"pose": json.dumps(record)})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data)
    temporary.replace(path)
