"""The arithmetic of a training run."""

import time

import torch
from torch import nn

from shared.net.architectures import in_channels_last
from shared.net.device import resolve_precision

_TRIALS = 3
_CHANNELS, _SIDE = 32, 96


def training_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the arithmetic of the convolutions; "auto" is what this machine is faster in.

    On a CPU that a trial decides: whether it has instructions for bfloat16 does not say whether they are used (an older
    library, ONEDNN_MAX_CPU_ISA, an emulated machine), and without them it takes several times as long as float32.

    Raises:
        ConfigurationError: as `shared.net.device.resolve_precision`.
    """
    dtype = resolve_precision(name, device)
    if name != "auto" or device.type != "cpu" or dtype == torch.float32:
        return dtype
    return dtype if _seconds(dtype) < _seconds(torch.float32) else torch.float32


def is_emulated(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether a CPU is much slower in this arithmetic than in float32."""
    return device.type == "cpu" and dtype != torch.float32 and _seconds(dtype) > 2 * _seconds(torch.float32)


def _seconds(dtype: torch.dtype) -> float:
    """Time a convolution and its gradients; the shortest of a few trials."""
    net = in_channels_last(nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1))
    image = torch.ones(2, _CHANNELS, _SIDE, _SIDE).to(memory_format=torch.channels_last)
    taken = []
    for _ in range(_TRIALS + 1):  # the first one prepares
        started = time.perf_counter()
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            total = net(image).sum()
        total.backward()
        taken.append(time.perf_counter() - started)
    return min(taken[1:])
