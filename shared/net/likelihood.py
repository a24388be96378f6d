"""How much each pixel says for a dot, read from the image's own histogram.

Where pixels' noise is independent, all that an image says of a dot is in the sum, over the dot's pixels, of the
log-likelihood ratio log p(value | dot) − log p(value | ground). What that ratio is depends on the noise: under salt
and pepper the extremes say nothing, of few photons any one says much, where contrast is inverted the dark ones do.
Noise of one kind and strength gives a histogram of one shape, so the histogram tells it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 256  # bins of the histogram
_PADDING = LEVELS  # what stands for padding, beside them
_RANGE = 14.0  # deviations above the lowest value, beyond which values count as the highest: a few hot pixels
_MAX_RATIO = 8.0
_MIN_SCALE = 1e-3


class DotLikelihood(nn.Module):
    """Standardised images → their log-likelihood ratios, by a table that a small network makes of the histogram.

    The network (`table`) is fitted on simulated histograms before all else (`training.recipe.likelihood`), and then
    stays as it is. Values of exactly 0 pad an image up to its tile (`shared.net.tiling`): the histogram leaves them
    out, and they get the ratio that ground has on average.
    """

    def __init__(self, hidden: int = 256) -> None:
        super().__init__()
        self.table = nn.Sequential(
            nn.Linear(2 * LEVELS, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, LEVELS)
        )
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the ratios of images (B, …) in units of their root mean square, same shape, and its log, (B, 1)."""
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            images = images.float()
            levels = quantise(images)
            shares = _histograms(levels)
            ratios = self.ratios(shares)
            scale = (shares * ratios.square()).sum(1, keepdim=True).sqrt().clamp(min=_MIN_SCALE)
            tables = torch.cat([ratios, _of_ground(ratios, shares)], 1) / scale
            offsets = (LEVELS + 1) * torch.arange(len(images), dtype=levels.dtype, device=levels.device)
            looked_up = tables.flatten().index_select(0, (levels + offsets[:, None]).flatten())
        return looked_up.view(images.shape), scale.log()

    def ratios(self, histograms: Tensor) -> Tensor:
        """Return the log-likelihood ratio of each level, (B, LEVELS), from its share of the pixels, likewise."""
        shapes = torch.cat([(histograms * LEVELS).clamp(max=8), torch.log(histograms + 1e-5) / 4 + 1.5], 1)
        ratios: Tensor = self.table(shapes).clamp(-_MAX_RATIO, _MAX_RATIO)
        return ratios


class LikelihoodStem(nn.Module):
    """Folds `fold`×`fold` pixels into channels: their ratios, their values, and the logarithm of the ratios' scale."""

    def __init__(self, fold: int) -> None:
        super().__init__()
        self.fold = fold
        self.channels = 2 * fold**2 + 1
        self.likelihood = DotLikelihood()

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, channels, H/fold, W/fold) of standardised images (B, 1, H, W)."""
        values = F.pixel_unshuffle(images, self.fold)
        ratios, scale = self.likelihood(values)
        return torch.cat([ratios, values, scale[:, :, None, None].expand(-1, -1, *values.shape[2:])], 1)


def quantise(images: Tensor) -> Tensor:
    """Return int32 (B, pixels) of images (B, …): 0 for the lowest value to LEVELS − 1 for the highest, and _PADDING."""
    values = images.flatten(1)
    low = values.amin(1, keepdim=True)
    span = (values.amax(1, keepdim=True) - low).clamp(min=1e-6, max=_RANGE)
    levels = torch.sub(values, low).mul_((LEVELS - 1) / span).round_().clamp_(max=LEVELS - 1)
    return levels.masked_fill_(values == 0, _PADDING).int()


def _of_ground(ratios: Tensor, shares: Tensor) -> Tensor:
    """The mean ratio of what is rather ground than dot, (B, 1)."""
    ground = shares * torch.sigmoid(-ratios)
    return (ratios * ground).sum(1, keepdim=True) / ground.sum(1, keepdim=True).clamp(min=1e-6)


def _histograms(levels: Tensor) -> Tensor:
    """Shares of each image's pixels, (B, LEVELS), padding left out."""
    if levels.device.type == "cpu":
        counts = torch.stack([torch.bincount(image, minlength=LEVELS + 1) for image in levels])
    else:  # where bincount would wait for the device
        counts = torch.zeros(len(levels), LEVELS + 1, dtype=torch.int32, device=levels.device)
        counts.scatter_add_(1, levels.long(), torch.ones_like(levels))
    shares = counts[:, :LEVELS].float()
    return shares / shares.sum(1, keepdim=True).clamp(min=1)
