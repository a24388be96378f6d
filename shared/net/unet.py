"""The vanilla U-Net (Ronneberger et al. 2015, padded, with batch normalisation): a baseline, and small, for any images.

It looks at no pixel farther off than its convolutions reach, so that what surrounds an image, padding too, changes
nothing inside.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from shared.net.blocks import DoubleConv
from shared.net.network import Network


class UNet(Network):
    """Max-pooling down, transposed convolutions up, skips concatenated as they are.

    Args:
        in_channels: of the image.
        base: channels at the top level, which double at each level under it.
        levels: resolutions, 2 at least.
        widest: most channels of a level; None for no bound.
        stem: the pixel-unshuffle factor: 1 (none), 2 or 4.
        dropout: share of the channels that are dropped in training, 0 to 1.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        base: int = 64,
        levels: int = 5,
        widest: int | None = None,
        stem: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if stem not in (1, 2, 4):
            raise ValueError(f"stem is {stem}: use 1, 2 or 4")
        self.in_channels = in_channels
        self.fold, self.stem_channels = stem, in_channels * stem**2
        self.multiple = stem * 2 ** (levels - 1)
        self.stem = nn.PixelUnshuffle(stem) if stem > 1 else nn.Identity()
        widths = [min(base * 2**level, widest or base * 2**level) for level in range(levels)]
        self.encoder = nn.ModuleList(DoubleConv(i, o, dropout) for i, o in pairwise([self.stem_channels, *widths]))
        self.pool = nn.MaxPool2d(2)
        rising = [(low, high) for high, low in pairwise(widths)][::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(low, high, 2, stride=2) for low, high in rising)
        self.decoder = nn.ModuleList(DoubleConv(2 * high, high, dropout) for _, high in rising)
        self.head = nn.Conv2d(base, stem**2, kernel_size=1)

    def forward_depths(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the features of the encoder's end, the bottleneck, the decoder's beginning and its end."""
        skips: list[Tensor] = []
        for level in self.encoder[:-1]:
            skips.append(level(x))
            x = self.pool(skips[-1])
        bottleneck = x = self.encoder[-1](x)
        risen = []
        for up, merge, skip in zip(self.up, self.decoder, reversed(skips), strict=True):
            x = merge(torch.cat([skip, up(x)], dim=1))
            risen.append(x)
        return skips[-1], bottleneck, risen[0], x
