"""The vanilla U-Net (Ronneberger et al. 2015, padded, with batch normalisation): the baseline."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from shared.net.blocks import DoubleConv
from shared.net.network import Network


class UNet(Network):
    """Max-pooling down, transposed convolutions up, skips concatenated as they are. It has no stem."""

    def __init__(self, *, in_channels: int = 1, base: int = 64, levels: int = 5, dropout: float = 0.1) -> None:
        super().__init__()
        self.multiple = 2 ** (levels - 1)
        self.fold, self.stem_channels = 1, in_channels
        self.stem = nn.Identity()
        widths = [base * 2**level for level in range(levels)]
        self.encoder = nn.ModuleList(DoubleConv(i, o, dropout) for i, o in pairwise([in_channels, *widths]))
        self.pool = nn.MaxPool2d(2)
        rising = [(low, high) for high, low in pairwise(widths)][::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(low, high, 2, stride=2) for low, high in rising)
        self.decoder = nn.ModuleList(DoubleConv(low, high, dropout) for low, high in rising)
        self.head = nn.Conv2d(base, 1, kernel_size=1)

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
