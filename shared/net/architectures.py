"""The networks that a checkpoint may name."""

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import nn

from shared.errors import CheckpointError
from shared.net.attention_unet import AttentionUNet
from shared.net.network import Network
from shared.net.unet import UNet

ARCHITECTURES: dict[str, type[Network]] = {"attention_unet": AttentionUNet, "unet": UNet}


AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


def build(name: str, arguments: Mapping[str, Any]) -> Network:
    """Return a freshly initialised network.

    Raises:
        CheckpointError: no network here has this name or these arguments.
    """
    if name not in ARCHITECTURES:
        raise CheckpointError(f"there is no architecture {name!r}: this version knows {', '.join(ARCHITECTURES)}")
    try:
        return ARCHITECTURES[name](**arguments)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the architecture {name} cannot be built from {dict(arguments)}: {error}") from error


def in_channels_last(net: AnyNetwork) -> AnyNetwork:
    """Bring a network's weights to NHWC order, in place, and return it: convolutions run fastest in that layout."""
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return net


def count_parameters(net: nn.Module) -> int:
    """Return how many trainable numbers the network has."""
    return sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
