"""What all networks here have in common: a stem, and the trunk behind it."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Network(nn.Module, ABC):
    """(B, in_channels, H, W) → logits (B, 1, H, W).

    The stem is apart because a backend runs it by itself: in float32, and on a CPU image by image, since it may look at
    an image's own histogram. A subclass sets, besides the layers of its trunk:
        multiple: H and W are multiples of this.
        fold: the stem's result has 1/fold of the image's sides,
        stem_channels: and so many channels.
        stem: the layers that fold the image's pixels into channels.
        head: a convolution from features to fold² logits at each position.
    """

    multiple: int
    fold: int
    stem_channels: int
    stem: nn.Module
    head: nn.Module

    def forward(self, image: Tensor) -> Tensor:
        """Return logits of the foreground, one per pixel.

        Raises:
            ValueError: the image's sides do not fit.
        """
        height, width = image.shape[-2:]
        if height % self.multiple or width % self.multiple:
            fitting = "×".join(str(-(-side // self.multiple) * self.multiple) for side in (height, width))
            raise ValueError(f"an image of {height}×{width}: pad it to {fitting}, multiples of {self.multiple}")
        return self.forward_head(self.forward_features(self.stem(image)))

    @abstractmethod
    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last features, same sides, of what the stem gives, (B, stem_channels, H/fold, W/fold)."""

    def forward_head(self, features: Tensor) -> Tensor:
        """Return the logits (B, 1, H, W) of the last features (B, C, H/fold, W/fold)."""
        logits: Tensor = self.head(features)
        return F.pixel_shuffle(logits, self.fold) if self.fold > 1 else logits


class Trunk(nn.Module):
    """All of a network behind its stem, with probabilities as its result."""

    def __init__(self, net: Network) -> None:
        super().__init__()
        self.net = net

    def forward(self, folded: Tensor) -> Tensor:
        """Return the foreground's probabilities, float32 (B, H, W), of what the stem gives."""
        logits = self.net.forward_head(self.net.forward_features(folded))
        return torch.sigmoid(logits[:, 0].float())
