"""The last step of a run: a threshold of a half gives the highest Dice, and probabilities mean what they say.

A network that was trained for Dice is surer than it is right, and the highest Dice is to be had somewhat below an even
chance. A slope and an offset of its logits mend both without moving any pixel past another. The offset puts the best
threshold, of held-out samples, at a half; the slope is the one of the highest likelihood then (the temperature of Guo
et al., ICML 2017). They are folded into the last convolution, so that whoever runs the network need not know.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from shared.net.checkpoint import LoadedModel
from shared.net.metadata import Metadata
from training.config import CalibrationConfig
from training.data.source import Batch, DataSource, up_to

CALIBRATION = "calibration"
"""What a checkpoint's `training` calls it."""

_MAX_LOGIT = 16.0  # logits beyond count as this
_BINS = 3200  # of logits, 0.01 wide
_MAX_THRESHOLD = 3.0  # logit of a threshold that is still worth moving
_SAME_DICE = 1e-5
_SLOPES = (0.2, 3.0)  # beyond, the samples say nothing of use: all alike, or told apart without a doubt


@dataclass(frozen=True)
class LogitCalibration:
    """A line that was fitted on so many images: calibrated logit = slope · logit + offset."""

    slope: float
    offset: float
    images: int


def calibrate_model(
    model: LoadedModel, config: CalibrationConfig, source: DataSource, dtype: torch.dtype
) -> tuple[Metadata, LogitCalibration | None]:
    """Calibrate a model on held-out samples, as many as the config says; return what its metadata are then.

    Args:
        model: in eval mode, on the source's device.
        config: of its training; of no images nothing is done.
        source: of its samples.
        dtype: of the autocast that the network runs under; float32 for none.
    """
    if not config.images:
        return model.metadata, None
    found = calibrate(model.net, up_to(config.images, source.calibration()), dtype)
    return replace(model.metadata, training=model.metadata.training | {CALIBRATION: asdict(found)}), found


@torch.inference_mode()
def calibrate(net: nn.Module, batches: Iterable[Batch], dtype: torch.dtype) -> LogitCalibration:
    """Fit the calibration on these batches, one at least, and fold it into `net.head`, a convolution.

    Args:
        net: in eval mode, on the batches' device.
        batches: of held-out samples.
        dtype: of the autocast that the network runs under; float32 for none.

    Raises:
        TypeError: `net.head` is no convolution with a bias.
    """
    head = net.get_submodule("head")
    if not isinstance(head, nn.Conv2d) or head.bias is None:
        raise TypeError(f"a head of type {type(head).__name__}: only a convolution with a bias takes the calibration")
    counts = torch.cat([_count(net, batch, dtype) for batch in batches]).double().cpu()
    centres = (torch.arange(_BINS, dtype=torch.float64) + 0.5) * (2 * _MAX_LOGIT / _BINS) - _MAX_LOGIT
    threshold = _best_threshold(counts, centres)
    slope = _best_slope(counts.sum(0), centres - threshold)
    head.weight.mul_(slope)
    head.bias.sub_(threshold).mul_(slope)
    return LogitCalibration(slope, -slope * threshold, len(counts))


def _count(net: nn.Module, batch: Batch, dtype: torch.dtype) -> Tensor:
    """Count the pixels of each image by logit, of the background and of the foreground: (B, 2, bins)."""
    device = batch.images.device
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        logits = net(batch.images).float()
    bins = ((logits + _MAX_LOGIT) * (_BINS / (2 * _MAX_LOGIT))).long().clamp_(0, _BINS - 1)
    bins += _BINS * (batch.masks > 0.5)
    return torch.stack([torch.bincount(image.flatten(), minlength=2 * _BINS).view(2, _BINS) for image in bins])


def _best_threshold(counts: Tensor, logits: Tensor) -> float:
    """Find the logit from which on pixels are foreground for the highest mean Dice of the images, (N, 2, bins).

    Where several give that, it is the one nearest to zero.
    """
    at_least = counts.flip(-1).cumsum(-1).flip(-1)  # pixels of this logit or more
    dice = (2 * at_least[:, 1] / (at_least.sum(1) + counts[:, 1].sum(-1, keepdim=True)).clamp(min=1)).mean(0)
    near = logits.abs() <= _MAX_THRESHOLD
    best = near & (dice >= dice[near].max() - _SAME_DICE)
    return float(logits[best][logits[best].abs().argmin()])


def _best_slope(counts: Tensor, logits: Tensor) -> float:
    """Find the slope of the highest likelihood of the pixels, (2, bins); 1 where they do not tell."""
    background, foreground = counts / counts.sum()

    def loss(slope: float) -> float:
        return float((foreground * F.softplus(-slope * logits) + background * F.softplus(slope * logits)).sum())

    low, high = _SLOPES
    slope = float(minimize_scalar(loss, bounds=_SLOPES, method="bounded").x)
    return slope if 1.01 * low < slope < 0.99 * high else 1.0
