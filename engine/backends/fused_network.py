"""Convolutions that add their bias, a second map and the ReLU themselves, as cuDNN has them: two kernels less for each.

The graph of a network whose batch normalisation is folded in is searched for `relu(conv)` and `relu(conv + map)`. On
the CPU such a module does the same in single steps, so the search is tested without a card.
"""

from __future__ import annotations

import operator

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn

aten = torch.ops.aten


class ConvRelu(nn.Module):
    """relu(conv(x)), or relu(conv(x) + z)."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Float[Tensor, "n c h w"], z: Tensor | None = None) -> Float[Tensor, "n d h2 w2"]:
        """One call of cuDNN on a card."""
        conv = self.conv
        if not x.is_cuda:
            return torch.relu(conv(x) if z is None else conv(x) + z)
        geometry = (conv.stride, conv.padding, conv.dilation, conv.groups)
        if z is None:
            return aten.cudnn_convolution_relu(x, conv.weight, conv.bias, *geometry)
        return aten.cudnn_convolution_add_relu(x, conv.weight, z, 1.0, conv.bias, *geometry)


def fused(network: nn.Module) -> fx.GraphModule:
    """The same network, with shared weights, in as few convolutions, sums and ReLUs as can be."""
    graph = fx.symbolic_trace(network)
    for node in list(graph.graph.nodes):
        if _is(graph, node, nn.Identity):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    for relu in list(graph.graph.nodes):
        if relu.target is torch.relu or _is(graph, relu, nn.ReLU):
            _fuse(graph, relu)
    graph.graph.eliminate_dead_code()
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph


def _fuse(graph: fx.GraphModule, relu: fx.Node) -> None:
    source, other = relu.args[0], None
    if isinstance(source, fx.Node) and source.target is operator.add and len(source.users) == 1:
        maps = [node for node in source.args if isinstance(node, fx.Node)]
        convolutions = [node for node in maps if _conv(graph, node)]
        if len(maps) == 2 and convolutions:
            source = convolutions[0]
            other = maps[1 - maps.index(source)]
    if not isinstance(source, fx.Node) or not _conv(graph, source):
        return
    name = f"fused_{str(source.target).replace('.', '_')}"
    graph.add_submodule(name, ConvRelu(graph.get_submodule(str(source.target))))  # type: ignore[arg-type]
    with graph.graph.inserting_before(relu):
        args = (source.args[0],) if other is None else (source.args[0], other)
        relu.replace_all_uses_with(graph.graph.call_module(name, args))
    graph.graph.erase_node(relu)


def _conv(graph: fx.GraphModule, node: fx.Node) -> bool:
    return _is(graph, node, nn.Conv2d) and len(node.users) == 1


def _is(graph: fx.GraphModule, node: fx.Node, kind: type[nn.Module]) -> bool:
    return node.op == "call_module" and isinstance(graph.get_submodule(str(node.target)), kind)
