"""What all networks here have in common: a stem, and the trunk behind it."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

POOLED_PX = 256
"""Side of the blocks, in pixels of the image, over which features are pooled."""


class Network(nn.Module, ABC):
    """(B, in_channels, H, W) → logits (B, 1, H, W).

    The stem is apart because a backend runs it by itself: in float32, and on a CPU image by image, since it may look at
    an image's own histogram. A subclass sets, besides the layers of its trunk:
        in_channels: of the image; one of a single channel is shown to each of them.
        multiple: H and W are multiples of this.
        fold: the stem's result has 1/fold of the image's sides,
        stem_channels: and so many channels.
        stem: the layers that fold the image's pixels into channels.
        head: a convolution from features to fold² logits at each position.
    """

    in_channels: int
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
        return self.forward_head(self.forward_features(self.stem(widened(image, self.in_channels))))

    @abstractmethod
    def forward_depths(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return features of several depths of what the stem gives, (B, stem_channels, H/fold, W/fold).

        The last ones, of the same sides, are what the head gets. Those before are what `shared.net.familiarity` tells
        the familiar from the strange by: few and deep, since each is pooled in every pass.
        """

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the last features, same sides, of what the stem gives, (B, stem_channels, H/fold, W/fold)."""
        return self.forward_depths(x)[-1]

    def forward_head(self, features: Tensor) -> Tensor:
        """Return the logits (B, 1, H, W) of the last features (B, C, H/fold, W/fold)."""
        logits: Tensor = self.head(features)
        return F.pixel_shuffle(logits, self.fold) if self.fold > 1 else logits


def widened(image: Tensor, channels: int) -> Tensor:
    """Return an image of one channel, (B, 1, H, W), with as many as a network takes; another one as it is."""
    return image.expand(-1, channels, -1, -1) if image.shape[1] == 1 < channels else image


class Trunk(nn.Module):
    """All of a network behind its stem, with probabilities as its result, and the pooled features of its depths."""

    def __init__(self, net: Network) -> None:
        super().__init__()
        self.net = net

    def forward(self, folded: Tensor) -> tuple[Tensor, ...]:
        """Return what it makes of (B, stem_channels, H/fold, W/fold).

        First the foreground's probabilities, float32 (B, H, W), then for each depth of C channels the means, and the
        means of the squares, of blocks of POOLED_PX a side: float32 (B, 2C, rows, columns), from the top left.
        """
        *depths, last = self.net.forward_depths(folded)
        logits = self.net.forward_head(last)
        # Whole numbers, the same whatever the sides: also in a graph, where they become constants.
        blocks = [POOLED_PX * int(each.shape[-1]) // (int(folded.shape[-1]) * self.net.fold) for each in depths]
        pooled = (_pooled(each.float(), max(block, 1)) for each, block in zip(depths, blocks, strict=True))
        return torch.sigmoid(logits[:, 0].float()), *pooled


def _pooled(features: Tensor, block: int) -> Tensor:
    both = torch.cat([features, features.square()], dim=1)
    return F.avg_pool2d(both, block, ceil_mode=True)  # of a smaller image: one block, of what there is
