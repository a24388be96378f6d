"""The networks that a checkpoint may name."""

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import nn

from shared.errors import CheckpointError
from shared.images.channel_choice import MAX_PLANES
from shared.net.attention_unet import AttentionUNet
from shared.net.network import Network
from shared.net.unet import UNet

ARCHITECTURES: dict[str, type[Network]] = {"attention_unet": AttentionUNet, "unet": UNet}


_RANGES = {
    "in_channels": (1, MAX_PLANES),
    "base": (2, 1024),
    "levels": (2, 8),
    "widest": (1, 4096),
    "stem": (1, 4),
    "attention_from": (0, 8),
}
"""Whole numbers that an architecture may be asked for; far more than any network here has."""

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


def build(name: str, arguments: Mapping[str, Any]) -> Network:
    """Return a freshly initialised network.

    Raises:
        CheckpointError: no network here has this name or these arguments.
    """
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise CheckpointError(f"there is no architecture {name!r}: this version knows {', '.join(ARCHITECTURES)}")
    try:
        _require_in_range(arguments)
        return ARCHITECTURES[name](**arguments)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        shown = str(arguments)[:200]
        reason = str(error).partition("\n")[0][:200]
        raise CheckpointError(f"the architecture {name} cannot be built from {shown}: {reason}") from error


def shapes_of(name: str, arguments: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors that such a network has, by name; takes no memory for them.

    Raises:
        CheckpointError: as `build`.
    """
    with torch.device("meta"):
        return {key: tuple(tensor.shape) for key, tensor in build(name, arguments).state_dict().items()}


def _require_in_range(arguments: Mapping[str, Any]) -> None:
    if not isinstance(arguments, Mapping):
        raise TypeError("they are no names and values")
    for key, value in arguments.items():
        if key in ("likelihood", "knows_padding"):
            good, wanted = isinstance(value, bool), "true or false"
        elif key == "dropout":
            good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
            wanted = "0 to 1"
        elif key == "widest" and value is None:
            continue
        elif key in _RANGES:
            low, high = _RANGES[key]
            good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
            wanted = f"{low} to {high}"
        else:
            continue  # the architecture tells, of names that it does not know
        if not good:
            raise ValueError(f"{key} has to be {wanted}")


def in_channels_last(net: AnyNetwork) -> AnyNetwork:
    """Bring a network's weights to NHWC order, in place, and return it: convolutions run fastest in that layout."""
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return net


def count_parameters(net: nn.Module) -> int:
    """Return how many trainable numbers the network has."""
    return sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
