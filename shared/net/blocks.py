"""The parts of the Attention U-Net. Feature maps are (batch, channels, height, width)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DoubleConv(nn.Sequential):
    """Two 3×3 convolutions, each with batch normalisation and ReLU; dropout of whole channels at the end."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Dropout2d(dropout),
        )


class CBAM(nn.Module):
    """Convolutional block attention: channel gates, then spatial gates (Woo et al. 2018, eqs. 1–3).

    The features are not negative.
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(channels // reduction, 4)
        self.channel = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1, bias=False),
        )
        self.spatial = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        """Return the attended features, same shape.

        Args:
            x: (B, C, H, W).
            known: (B, 1, H, W), 0 where there is padding, which then counts neither in means nor in maxima; else 1.
        """
        if known is None:
            mean, peak = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        else:
            inside = x * known
            mean = inside.sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
            peak = inside.amax((2, 3), keepdim=True)
        x = x * torch.sigmoid(self.channel(mean) + self.channel(peak))
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.spatial(summary))


class BlurPool(nn.Module):
    """Halve the resolution behind a binomial low-pass, so that shifts of the input do not alias (Zhang 2019).

    The kernel is [1 2 1] ⊗ [1 2 1] / 16 for every channel, the border padded with zeros as the convolutions' is.
    """

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        # Written out: on the meta device, where shapes are looked up, arithmetic loads a compiler.
        binomial = torch.tensor([[0.0625, 0.125, 0.0625], [0.125, 0.25, 0.125], [0.0625, 0.125, 0.0625]])
        kernel = binomial.expand(channels, 1, 3, 3).contiguous()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H/2, W/2) of (B, C, H, W)."""
        return F.conv2d(x, self.kernel, stride=2, padding=1, groups=self.kernel.shape[0])


class AttentionGate(nn.Module):
    """Additive attention on a skip connection, steered by the decoder's features (Oktay et al. 2018, eqs. 1–2).

    Both inputs have `channels` channels and the same resolution.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.of_skip = nn.Sequential(nn.Conv2d(channels, hidden, 1, bias=False), nn.BatchNorm2d(hidden))
        self.of_gate = nn.Sequential(nn.Conv2d(channels, hidden, 1, bias=False), nn.BatchNorm2d(hidden))
        self.psi = nn.Sequential(nn.Conv2d(hidden, 1, 1, bias=False), nn.BatchNorm2d(1))

    def forward(self, skip: Tensor, gate: Tensor) -> Tensor:
        """Return the skip's features, each position scaled by a weight in (0, 1)."""
        return skip * torch.sigmoid(self.psi(F.relu(self.of_skip(skip) + self.of_gate(gate))))
