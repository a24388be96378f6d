"""Running metrics of the training steps: means over a stretch of them, kept on the device."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from training.recipe.distributed import DistributedContext


class RunningMeans:
    """Means of named scalars since they were last taken, over all processes.

    The sums stay on the device until somebody asks: reading them each step would keep a GPU waiting.
    """

    def __init__(self, names: Sequence[str], context: DistributedContext) -> None:
        self.names = names
        self.context = context
        # The sum of each, and at the end the number of updates.
        self._sums = torch.zeros(len(names) + 1, dtype=torch.float64, device=context.device)

    def update(self, values: Tensor) -> None:
        """Add one value of each name: (names,), on the context's device."""
        self._sums[:-1] += values
        self._sums[-1] += 1

    def take(self) -> dict[str, float]:
        """Return the means and begin anew; 0 without any update. All processes must call this."""
        *sums, count = self.context.sum(self._sums.clone()).tolist()
        self._sums.zero_()
        return {name: value / max(count, 1) for name, value in zip(self.names, sums, strict=True)}

    def pool(self) -> None:
        """Bring the sums of all processes into the first one's, whose state is saved. All must call this."""
        self.context.sum(self._sums)
        if not self.context.is_first:
            self._sums.zero_()

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of this process; of several the first one's count, after `pool`."""
        return {"sums": self._sums}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken; from nothing in processes other than the first, or of other names."""
        if self.context.is_first and state_dict["sums"].shape == self._sums.shape:
            self._sums.copy_(state_dict["sums"])
        else:
            self._sums.zero_()
