"""What all networks here have in common: a stem, and the rest behind it."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Network(nn.Module, ABC):
    """(B, in_channels, H, W) → logits (B, 1, H, W).

    The stem is apart because not all backends can run it. Sets, besides its layers:
        multiple: H and W are multiples of this.
        fold: the stem's result has 1/fold of the image's sides,
        stem_channels: and so many channels.
    """

    multiple: int
    fold: int
    stem_channels: int
    pixels: nn.Module  # the stem

    def forward(self, image: Tensor) -> Tensor:
        """Logits of the foreground, one per pixel. Raises `ValueError` for an input whose sides do not fit."""
        height, width = image.shape[-2:]
        if height % self.multiple or width % self.multiple:
            fitting = "×".join(str(-(-side // self.multiple) * self.multiple) for side in (height, width))
            raise ValueError(f"an image of {height}×{width}: pad it to {fitting}, multiples of {self.multiple}")
        return self.of_folded(self.pixels(image))

    @abstractmethod
    def of_folded(self, x: Tensor) -> Tensor:
        """The logits from what the stem made of the image, (B, stem_channels, H/fold, W/fold)."""


class AfterStem(nn.Module):
    """What follows a network's stem, as probabilities."""

    def __init__(self, net: Network) -> None:
        super().__init__()
        self.net = net

    def forward(self, folded: Tensor) -> Tensor:
        """What the stem gives → the foreground's probabilities, float32 (B, H, W)."""
        return torch.sigmoid(self.net.of_folded(folded)[:, 0].float())
