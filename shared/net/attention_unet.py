"""Attention U-Net: a U-Net whose encoder attends (CBAM) and whose skips are gated by the decoder.

At base 64 and 5 levels it is the reference network, 31.5 M parameters and 393.6 GFLOP per 512×512 image. With
a pixel-unshuffle stem and a small base it is the compact variant: the stem folds `stem`×`stem` pixels into
channels without losing any, the network works at 1/stem of the resolution, and the head unfolds again. With
`likelihood` the stem folds what each pixel says for a dot beside its value.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shared.net.blocks import CBAM, AttentionGate, BlurPool, DoubleConv
from shared.net.likelihood import LikelihoodStem
from shared.net.network import Network


class EncoderLevel(nn.Module):
    """Double convolution and attention (or none) at one resolution, then half of it for the level under it."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float, *, attends: bool) -> None:
        super().__init__()
        self.conv = DoubleConv(in_channels, out_channels, dropout)
        self.attention = CBAM(out_channels) if attends else None
        self.down = BlurPool(out_channels)

    def forward(self, x: Tensor, known: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the skip (B, out, H, W) and what goes down (B, out, H/2, W/2) of x (B, in, H, W).

        `known`, (B, 1, H, W), is 0 where there is padding, which attention then leaves out.
        """
        skip: Tensor = self.conv(x)
        if self.attention is not None:
            skip = self.attention(skip, known)
        return skip, self.down(skip)


class DecoderLevel(nn.Module):
    """Double the resolution, gate the skip by what came up, merge both."""

    def __init__(self, in_channels: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, channels, kernel_size=2, stride=2)
        self.gate = AttentionGate(channels)
        self.conv = DoubleConv(2 * channels, channels, dropout)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Merge x (B, in, H, W) and skip (B, C, 2H, 2W) into (B, C, 2H, 2W)."""
        x = self.up(x)
        merged: Tensor = self.conv(torch.cat([self.gate(skip, x), x], dim=1))
        return merged


class AttentionUNet(Network):
    """An image of `in_channels` → logits; see `Network`.

    Args:
        in_channels: of the image.
        base: channels at the top level, which double at each level under it.
        levels: resolutions, 2 at least.
        widest: most channels of a level; None for no bound.
        stem: the pixel-unshuffle factor: 1 (none), 2 or 4.
        likelihood: whether the stem also folds the pixels' log-likelihood ratios, for which the image has one channel.
        attention_from: the first encoder level with CBAM, 0 being the top one: at a compact network's full resolution
            it takes more time than the convolutions.
        knows_padding: whether attention leaves out what is around an image: it then comes with a channel of its own,
            behind the others, that is 0 there and else 1. It changes no weight.
        dropout: share of the channels that are dropped in training, 0 to 1.

    Raises:
        ValueError: an argument out of range, or likelihood ratios of several channels.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        base: int = 64,
        levels: int = 5,
        widest: int | None = None,
        stem: int = 1,
        likelihood: bool = False,
        attention_from: int = 0,
        knows_padding: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if stem not in (1, 2, 4):
            raise ValueError(f"stem is {stem}: use 1, 2 or 4")
        if likelihood and in_channels != 1:
            raise ValueError(f"likelihood ratios are of one channel, not of {in_channels}")
        self.in_channels, self.knows_padding = in_channels, knows_padding
        self.fold = stem
        self.multiple = stem * 2 ** (levels - 1)
        widths = [min(base * 2**level, widest or base * 2**level) for level in range(levels)]
        self.stem = LikelihoodStem(stem) if likelihood else nn.PixelUnshuffle(stem)
        self.stem_channels = self.stem.channels if isinstance(self.stem, LikelihoodStem) else in_channels * stem**2
        inputs = [self.stem_channels, *widths]
        self.stem_channels += knows_padding
        self.encoder = nn.ModuleList(
            EncoderLevel(i, o, dropout, attends=level >= attention_from)
            for level, (i, o) in enumerate(pairwise(inputs[:-1]))
        )
        self.bottleneck = DoubleConv(widths[-2], widths[-1], dropout)
        self.decoder = nn.ModuleList(DecoderLevel(i, o, dropout) for i, o in pairwise(reversed(widths)))
        self.head = nn.Conv2d(base, stem**2, kernel_size=1)

    def forward_depths(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the features of the encoder's end, the bottleneck, the decoder's beginning and its end."""
        skips: list[Tensor] = []
        known: Tensor | None = None
        if self.knows_padding:
            x, known = x[:, :-1], x[:, -1:]
        for level in self.encoder:
            skip, x = level(x, known)
            skips.append(skip)
            known = known if known is None else F.max_pool2d(known, 2)
        bottleneck = x = self.bottleneck(x)
        risen = []
        for level, skip in zip(self.decoder, reversed(skips), strict=True):
            x = level(x, skip)
            risen.append(x)
        return skips[-1], bottleneck, risen[0], x
