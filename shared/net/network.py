"""What all networks here have in common: a stem, and the trunk behind it."""

from abc import ABC, abstractmethod
from typing import NamedTuple

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
        knows_padding: whether the image may have one channel more, behind the others: 1 where there is an image, and 0
            where there is padding. Where it has not, all of it is one. The stem's result then ends with that channel.
        multiple: H and W are multiples of this.
        fold: the stem's result has 1/fold of the image's sides,
        stem_channels: and so many channels.
        stem: the layers that fold the image's pixels into channels.
        head: a convolution from features to fold² logits at each position.
    """

    in_channels: int
    knows_padding: bool = False
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
        return self.forward_head(self.forward_features(self.front.folded(image, self.stem)))

    @property
    def front(self) -> "Front":
        """What is done to an image before the trunk gets it."""
        return Front(self.in_channels, self.fold, self.knows_padding)

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


class Front(NamedTuple):
    """What a backend, which runs the stem by itself, has to know of a network's input; see `Network`."""

    in_channels: int
    fold: int
    knows_padding: bool

    def folded(self, image: Tensor, stem: nn.Module) -> Tensor:
        """Return what the trunk gets, (B, stem_channels, H/fold, W/fold), of an image (B, C, H, W)."""
        if not self.knows_padding:
            return self._stemmed(image, stem)
        if image.shape[1] <= self.in_channels:
            known = torch.ones_like(image[:, :1])
        else:
            image, known = image[:, :-1], image[:, -1:]
        return torch.cat([self._stemmed(image, stem), F.max_pool2d(known, self.fold)], dim=1)

    def _stemmed(self, image: Tensor, stem: nn.Module) -> Tensor:
        is_grey = image.shape[1] == 1 < self.in_channels
        result: Tensor = stem(image.expand(-1, self.in_channels, -1, -1) if is_grey else image)
        return result


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
