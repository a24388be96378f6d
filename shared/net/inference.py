"""A trained network made ready for inference: fewer operations, the fastest layout, and weights cast once."""

import copy
import warnings
from collections import Counter
from itertools import pairwise
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from shared.net.architectures import in_channels_last
from shared.net.blocks import BlurPool

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)

_SIDES_OF_AN_EXAMPLE = (128, 128)
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


class InFloat32(nn.Module):
    """Runs a layer in float32 inside of autocast, and hands its result on in `dtype`."""

    def __init__(self, layer: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer = layer
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer makes of it."""
        with torch.autocast(x.device.type, enabled=False):
            result: Tensor = self.layer(x.float())
        return result.to(self.dtype)


class ByImage(nn.Module):
    """Runs a layer on one image of a batch after the other: what it makes on the way stays in a CPU's cache."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, images: Tensor) -> Tensor:
        """Return what the layer makes of it."""
        return torch.cat([self.layer(image) for image in torch.split(images, 1)])


def for_inference(net: AnyNetwork, dtype: torch.dtype = torch.float32) -> AnyNetwork:
    """Return a copy of a network, to be run in eval mode, and under autocast to `dtype` where that is not float32.

    Batch normalisation is folded into the convolutions. In reduced precision the weights of convolutions and low-passes
    are cast here, once, instead of by autocast in every pass. The first convolution stays in float32: rounding the
    image itself costs more accuracy than all other layers' rounding, and the layer is cheap.
    """
    net = copy.deepcopy(net).eval().requires_grad_(False)
    net = in_channels_last(fold_batch_norm(net).eval())
    if dtype == torch.float32:
        return net
    first = _first_convolution(net)
    for module in net.modules():
        if isinstance(module, (*_CONVOLUTIONS, BlurPool)) and module is not first:
            module.to(dtype)
    for name, module in list(net.named_modules()):
        if module is first and name:
            _replace(net, name, InFloat32(first, dtype))
    return net


def as_graph(net: nn.Module, dtype: torch.dtype, channels: int) -> nn.Module:
    """Return a network, which takes (B, channels, H, W), as one graph that runs without Python.

    Its threads ask for Python's lock once a pass instead of once an operation, so that those that decode, encode and
    store do not keep the network waiting, nor it them. The casts of autocast to `dtype` are part of it: run it outside.
    """
    example = torch.randn(1, channels, *_SIDES_OF_AN_EXAMPLE)
    autocast = torch.autocast("cpu", dtype, enabled=dtype != torch.float32, cache_enabled=False)
    with warnings.catch_warnings(), torch.inference_mode(), autocast:
        # Deprecated in favour of torch.compile, which wants a C++ compiler and minutes at the start.
        warnings.simplefilter("ignore")
        jit: Any = torch.jit  # untyped
        graph: nn.Module = jit.freeze(jit.trace(net.eval(), example, check_trace=False))
    return graph


def fold_batch_norm(net: AnyNetwork) -> AnyNetwork:
    """Fold each batch normalisation into the convolution right before it, in place, in eval mode; return the network.

    Only the neighbours in an `nn.Sequential` are known to follow each other; a layer used in several places stays.
    """
    places = Counter(id(module) for _, module in net.named_modules(remove_duplicate=False))
    for parent in net.modules():
        if type(parent).forward is not nn.Sequential.forward:
            continue
        for (name, layer), (next_name, norm) in pairwise(list(parent.named_children())):
            if (
                isinstance(layer, _CONVOLUTIONS)
                and isinstance(norm, nn.BatchNorm2d)
                and places[id(layer)] == places[id(norm)] == places[id(parent)] == 1
            ):
                # Typed for nn.Conv2d alone; transposed ones have the flag.
                fused = fuse_conv_bn_eval(cast(nn.Conv2d, layer), norm, isinstance(layer, nn.ConvTranspose2d))
                setattr(parent, name, fused)
                setattr(parent, next_name, nn.Identity())
    return net


def _replace(net: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, module)


def _first_convolution(net: nn.Module) -> nn.Module | None:
    """The convolution that comes first when the network runs, whatever order its modules are declared in."""
    called: list[nn.Module] = []
    convolutions = [module for module in net.modules() if isinstance(module, _CONVOLUTIONS)]
    hooks = [each.register_forward_pre_hook(lambda layer, _: called.append(layer)) for each in convolutions]
    reference = next(net.parameters())
    side = int(getattr(net, "multiple", 64))
    with torch.inference_mode():
        net(torch.zeros(1, getattr(net, "in_channels", 1), side, side, device=reference.device))
    for hook in hooks:
        hook.remove()
    return called[0] if called else None
