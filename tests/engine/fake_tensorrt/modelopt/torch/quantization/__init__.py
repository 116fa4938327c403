"""Finding ranges as `modelopt.torch.quantization` does with its default settings, and its operation for TensorRT.

Unlike the real operation this one computes on the CPU, too.
"""

import torch
from torch import nn

INT8_DEFAULT_CFG, FP8_DEFAULT_CFG = {"axis": 0}, {"axis": None}


class Quantizer:
    amax = None

    def meet(self, x, axis=None):
        found = x.abs().amax() if axis is None else x.abs().amax(tuple(range(1, x.dim())), keepdim=True)
        self.amax = found if self.amax is None else torch.maximum(self.amax, found)


def quantize(model, config, forward_loop=None):
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            module.input_quantizer, module.weight_quantizer = Quantizer(), Quantizer()
            module.weight_quantizer.meet(module.weight, config["axis"])
            module.register_forward_pre_hook(lambda m, taken: m.input_quantizer.meet(taken[0]))
    forward_loop(model)
    return model


def _quantised(x, amax, num_bits, exponent_bits, unsigned, narrow_range):
    assert num_bits == 8
    assert amax.dtype == torch.float32
    assert not unsigned
    if exponent_bits == 4:
        scale = amax / 448
        return ((x / scale).to(torch.float8_e4m3fn).float() * scale).to(x.dtype)
    scale = amax / 127
    return ((x / scale).round().clamp(-128, 127) * scale).to(x.dtype)


try:
    torch.library.define(
        "tensorrt::quantize_op",
        "(Tensor input, Tensor amax, int num_bits, int exponent_bits, bool unsigned, bool narrow_range) -> Tensor",
    )
    torch.library.impl("tensorrt::quantize_op", ["cpu", "cuda"])(_quantised)
    torch.library.register_fake("tensorrt::quantize_op")(lambda x, *_: torch.empty_like(x))
except RuntimeError:  # imported before, by another test
    assert torch.ops.tensorrt.quantize_op.default
