"""What an engine compiled for this machine, kept between runs: one folder per thing, written whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from engine.backends import EngineError
from engine.places import CACHE_VARIABLE, cache_place
from engine.weights import Weights

# what compiled networks give; a new number where that changes: 2 = joints with the mass around their peak
OUTPUTS = "2"
# of a key: more than enough to tell some dozen folders apart
DIGITS = 20


def cache_folder() -> Path:
    """Where compiled engines lie; it need not exist yet."""
    return cache_place() / "engines"


def cache_key(weights: Weights, *depends_on: str) -> str:
    """A name that changes with the weights and with everything else that the cached thing depends on."""
    digest = hashlib.sha256()
    for text in (
        weights.sha256 or _state_sha256(weights),
        str(weights.architecture),
        str(weights.window),
        OUTPUTS,
        *depends_on,
    ):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:DIGITS]


def cached(name: str, build: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache; where there is none, `build` fills one. EngineError where it cannot be written.

    Two programs that build the same at once do not disturb each other: one of the folders stays.
    """
    path = cache_folder() / name
    if path.is_dir():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".", dir=path.parent))
    except OSError as error:
        raise EngineError(
            f"cannot write to {path.parent} ({error.strerror}); set {CACHE_VARIABLE} to a folder that can be written to"
        ) from error
    try:
        build(temporary)
        temporary.replace(path)
    except OSError as error:
        if not path.is_dir():  # else another program was faster
            raise EngineError(
                f"cannot store {path} ({error.strerror}); set {CACHE_VARIABLE} to another folder"
            ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return path


def forget(path: Path) -> None:
    """Remove a cached folder, which is then built anew."""
    shutil.rmtree(path, ignore_errors=True)


def _state_sha256(weights: Weights) -> str:
    """Of weights that were never written to a file."""
    digest = hashlib.sha256()
    for key in sorted(weights.state):
        digest.update(key.encode())
        digest.update(weights.state[key].contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()
