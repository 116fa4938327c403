"""Batch normalisation folded into the convolution before it: exact, and fewer kernels."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batchnorm(module: nn.Module) -> nn.Module:
    """Folds in place, everywhere below `module`, which must be in evaluation mode. Pairs are neighbours in a
    Sequential, or attributes named convN and bnN as in torchvision.
    """
    for parent in list(module.modules()):
        names = list(parent._modules)
        for conv_name, bn_name in pairwise(names):
            conv, bn = parent._modules[conv_name], parent._modules[bn_name]
            if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and isinstance(bn, nn.BatchNorm2d):
                with torch.no_grad():
                    fused = fuse_conv_bn_eval(conv, bn, transpose=isinstance(conv, nn.ConvTranspose2d))
                setattr(parent, conv_name, fused)
                setattr(parent, bn_name, nn.Identity())
    return module
