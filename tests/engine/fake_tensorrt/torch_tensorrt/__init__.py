"""Stands in for torch_tensorrt in tests: the same calls with the same names, run by PyTorch on the CPU.

`$FAKE_TENSORRT` says what goes wrong: "fails", "names" (an inspector without details), "single" (float32 was built),
"dequantised" (what is quantised is multiplied in half precision), "off" (other joints), "slow" (builds for ever),
"unloadable".
"""

import hashlib
import os

import torch

from torch_tensorrt import dynamo as dynamo

if os.environ.get("FAKE_TENSORRT") == "unloadable":
    raise Exception("Could not find libnvinfer.so.11")


_loaded = {}  # by content: loading takes a second


def save(module, file_path="", *, output_format="exported_program", arg_inputs=None):
    assert output_format == "exported_program"
    assert len(arg_inputs) == 1
    torch.export.save(module._run_on_acc_0.program, file_path, extra_files={"wrong": module._run_on_acc_0.wrong})


def load(file_path="", extra_files=None):
    with open(file_path, "rb") as file:
        key = hashlib.sha256(file.read()).hexdigest()
    if key not in _loaded:
        found = {"wrong": ""}
        _loaded[key] = dynamo.Block(torch.export.load(file_path, extra_files=found), [], found["wrong"])
    return Loaded(_loaded[key])


class Loaded:
    def __init__(self, block):
        self._block = block

    def module(self):
        return self._block
