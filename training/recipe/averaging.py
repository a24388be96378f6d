"""The average of a network's weights over its training, which is what is scored and saved."""

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn, update_bn

from training.data.source import Batch


def precise_normalisation(net: nn.Module, batches: Iterable[Batch], device: torch.device, dtype: torch.dtype) -> None:
    """Set the statistics of batch normalisation to those that these weights need.

    Those gathered while training belong to weights that are gone, and to images without noise as well, few but with by
    far the strongest features. One pass over samples like the validated ones tells the right ones (Wu & Johnson 2021,
    "Rethinking Batch", section 3).

    Args:
        net: on `device`.
        batches: of held-out samples.
        device: that the batches go to.
        dtype: of the autocast that the network runs under; float32 for none.
    """
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        update_bn(batches, net, device)


class AveragedWeights:
    """Exponential moving average of a network's weights and normalisation statistics.

    The decay grows to `decay` from 0.1, so that the first weights are soon forgotten. Of a decay of 0 the average is
    the network itself.

    The arithmetic is torch's; `torch.optim.swa_utils.AveragedModel` around it is not used, since it has a constant
    decay, and reads a counter at every step, for which a GPU would be waited for.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0
        pairs = list(zip(self.net.state_dict().values(), net.state_dict().values(), strict=True))
        self._averaged = [(kept, new) for kept, new in pairs if kept.is_floating_point()]
        self._copied = [(kept, new) for kept, new in pairs if not kept.is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the network's present state."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        kept, new = map(list, zip(*self._averaged, strict=True))
        get_ema_multi_avg_fn(decay)(kept, new, self.updates)  # type: ignore[no-untyped-call]
        for counter, present in self._copied:
            counter.copy_(present)

    def state_dict(self) -> dict[str, Any]:
        """Return the averaged network's tensors and the number of updates."""
        return {"net": self.net.state_dict(), "updates": self.updates}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.net.load_state_dict(state_dict["net"])
        self.updates = state_dict["updates"]
