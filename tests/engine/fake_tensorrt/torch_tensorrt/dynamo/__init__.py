"""Compiling and inspecting, as `torch_tensorrt.dynamo` has them; it takes only options that 2.11 - 2.13 all know."""

import json
import os
import time

import torch
from torch import nn

WORDS = {torch.float16: "Half", torch.bfloat16: "BFloat16", torch.float32: "Float"}
_detailed = [False]


class Debugger:
    def __init__(self, log_level="debug", *, save_engine_profile=False, engine_builder_monitor=True, logging_dir=""):
        assert os.path.isdir(logging_dir)

    def __enter__(self):
        _detailed[0] = True

    def __exit__(self, *_):
        _detailed[0] = False


def compile(
    exported_program,
    inputs=None,
    *,
    arg_inputs=None,
    device=None,
    disable_tf32=False,
    require_full_compilation=False,
    min_block_size=5,
    optimization_level=None,
    immutable_weights=True,
):
    assert inputs is None
    assert require_full_compilation
    assert min_block_size == 1
    wrong = os.environ.get("FAKE_TENSORRT", "")
    while wrong == "slow":
        time.sleep(0.05)
    if wrong == "fails":
        raise RuntimeError("Engine building failed\nno tactic for convolution_3")
    time.sleep(float(os.environ.get("FAKE_TENSORRT_S", "0")))
    block = Block(exported_program, _layers(exported_program, wrong), wrong)
    return Compiled(block)


class Block(nn.Module):
    """Where the real one runs an engine."""

    def __init__(self, program, layers, wrong):
        super().__init__()
        self.program, self.layers, self.wrong = program, layers, wrong
        self.inner = program.module(check_guards=False)

    def forward(self, pictures):
        joints, presence = self.inner(pictures)
        if self.wrong == "off":
            joints = joints + 0.1
        return joints, presence

    def get_layer_info(self):
        return json.dumps({"Layers": self.layers, "Bindings": []})


class Compiled(nn.Module):
    def __init__(self, block):
        super().__init__()
        self._run_on_acc_0 = block

    def forward(self, pictures):
        return self._run_on_acc_0(pictures)


def _word(weight, names, state, wrong):
    if "quantize_op" in str(weight.target) and wrong != "dequantised":
        return "FP8" if weight.args[3] else "Int8"
    while weight.op == "call_function":
        weight = weight.args[0]
    return WORDS[torch.float32 if wrong == "single" else state[names[weight.name]].dtype]


def _layers(program, wrong):
    """A layer for each convolution, in the precision that its weights have in the graph."""
    state = {**program.state_dict, **program.constants}
    names = program.graph_signature.inputs_to_parameters
    layers = [{"Name": "shuffle", "LayerType": "Shuffle", "Inputs": [{"Format/Datatype": "Float"}]}]
    for node in program.graph.nodes:
        if "conv" not in str(node.target) or node.op != "call_function":
            continue
        taken = [{"Name": "x", "Format/Datatype": _word(node.args[1], names, state, wrong)}]
        layers.append({"Name": node.name, "LayerType": "CaskConvolution", "Inputs": taken, "Outputs": taken})
    if wrong == "names" or not _detailed[0]:
        return [layer["Name"] for layer in layers]
    return layers
