"""Every call of torch_tensorrt (2.11 - 2.13), which is imported only when one is made.

What these versions do not say aloud: precision follows the graph's own types, and what is asked for beside them is
dropped; an engine tells its precisions only if it was built under a `Debugger`, in 2.11 one that profiles as well.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.backends import EngineError

# of 0 ... 5: the builder tries most; 3 is its default
OPTIMIZATION_LEVEL = 5
PACKAGES = ("torch", "torch_tensorrt", "tensorrt")
Poses = Callable[[Tensor], tuple[Tensor, Tensor]]


def library() -> Any:
    """The module torch_tensorrt; takes seconds. EngineError where it does not load."""
    try:
        return importlib.import_module("torch_tensorrt")
    except Exception as error:  # without TensorRT's libraries it raises a plain Exception
        reason = " ".join(str(error).split())[:200]
        raise EngineError(
            f"torch_tensorrt does not load ({reason}); `pip install --force-reinstall torch-tensorrt`, or --engine cuda"
        ) from error


def versions() -> tuple[str, ...]:
    """What an engine depends on beside weights and card; asks the packages' records and imports nothing."""
    return tuple(f"{name} {_version(name)}" for name in PACKAGES)


def compiled(program: torch.export.ExportedProgram, pictures: Tensor) -> nn.Module:
    """One engine for the whole program, for inputs of this very shape. EngineError where a part would stay outside."""
    torchtrt = library()
    old = _version("torch_tensorrt").startswith("2.11.")
    with (
        tempfile.TemporaryDirectory() as folder,
        torchtrt.dynamo.Debugger(
            log_level="error", engine_builder_monitor=False, logging_dir=folder, save_engine_profile=old
        ),
    ):
        module = torchtrt.dynamo.compile(
            program,
            arg_inputs=[pictures],
            device=pictures.device,
            require_full_compilation=True,
            min_block_size=1,
            optimization_level=OPTIMIZATION_LEVEL,
            immutable_weights=True,
            disable_tf32=True,
        )
    blocks = engines_in(module)
    if len(blocks) != 1:
        raise EngineError(f"the network became {len(blocks)} TensorRT engines instead of one")
    if old:
        blocks[0].disable_profiling()
    return module


def engines_in(module: nn.Module) -> list[Any]:
    """The engines that a compiled module runs."""
    return [child for child in module.children() if hasattr(child, "get_layer_info")]


def layers_of(module: nn.Module) -> str:
    """What the engine inspector says about the one engine of a module, JSON."""
    return engines_in(module)[0].get_layer_info()


def store(module: nn.Module, path: Path, pictures: Tensor) -> None:
    """Write a compiled module to a file."""
    library().save(module, str(path), output_format="exported_program", arg_inputs=[pictures])


def stored(path: Path) -> Poses:
    """The module of a file. EngineError where it does not load: of another version, another card, damaged."""
    torchtrt = library()
    try:
        return torchtrt.load(str(path)).module()
    except Exception as error:  # of zip, pickle, torch, TensorRT
        raise EngineError(f"{path} does not load ({' '.join(str(error).split())[:200]})") from error


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
