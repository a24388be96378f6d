"""The last step of a run: probabilities that mean what they say, and the threshold of the highest Dice.

A network that was trained for Dice is surer than it is right. A slope and an offset of its logits, fitted by likelihood
on held-out samples (Platt 1999; the slope alone is the temperature of Guo et al., ICML 2017), mend that without moving
any pixel past another. They are folded into the last convolution, so that whoever runs the network need not know.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.data_source import Batch

_LARGEST = 16.0  # logits beyond count as this
_BINS = 3200  # of logits, 0.01 wide
_SLOPES = (0.2, 3.0)  # beyond, the samples say nothing of use: all alike, or told apart without a doubt
_THRESHOLDS = tuple(hundredths / 100 for hundredths in range(10, 91))


@dataclass(frozen=True)
class Calibration:
    """What was fitted: calibrated logit = slope · logit + offset; foreground is its probability >= threshold."""

    slope: float
    offset: float
    threshold: float
    images: int


@torch.inference_mode()
def calibrate(net: nn.Module, batches: Iterable[Batch], dtype: torch.dtype) -> Calibration:
    """Fit the calibration on these batches, one at least, and fold it into `net.head`, a convolution.

    Args:
        net: in eval mode, on the batches' device.
        dtype: of the autocast that the network runs under; float32 for none.
    """
    head = net.get_submodule("head")
    if not isinstance(head, nn.Conv2d) or head.bias is None:
        raise TypeError(f"a head of type {type(head).__name__}: only a convolution with a bias takes the calibration")
    counts = torch.cat([_count(net, batch, dtype) for batch in batches]).double().cpu()
    centres = (torch.arange(_BINS, dtype=torch.float64) + 0.5) * (2 * _LARGEST / _BINS) - _LARGEST
    slope, offset = _fit(counts.sum(0), centres)
    threshold = _best_threshold(counts, slope * centres + offset)
    head.weight.mul_(slope)
    head.bias.mul_(slope).add_(offset)
    return Calibration(slope, offset, threshold, len(counts))


def _count(net: nn.Module, batch: Batch, dtype: torch.dtype) -> Tensor:
    """Pixels of each image by logit, of the background and of the foreground: (B, 2, bins)."""
    device = batch.images.device
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        logits = net(batch.images).float()
    bins = ((logits + _LARGEST) * (_BINS / (2 * _LARGEST))).long().clamp_(0, _BINS - 1)
    bins += _BINS * (batch.masks > 0.5)
    return torch.stack([torch.bincount(image.flatten(), minlength=2 * _BINS).view(2, _BINS) for image in bins])


def _fit(counts: Tensor, logits: Tensor) -> tuple[float, float]:
    """Slope and offset of the highest likelihood, from the pixels (2, bins) of all images together."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        background, foreground = (counts / counts.sum()).clone()
        z = logits.clone()
        parameters = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimiser.zero_grad()
            calibrated = parameters[0] * z + parameters[1]
            value: Tensor = (foreground * F.softplus(-calibrated) + background * F.softplus(calibrated)).sum()
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimiser.step(loss)  # type: ignore[no-untyped-call]
        slope, offset = parameters.tolist()
    return (slope, offset) if _SLOPES[0] <= slope <= _SLOPES[1] else (1.0, 0.0)


def _best_threshold(counts: Tensor, logits: Tensor) -> float:
    """That of the highest mean Dice over the images, (N, 2, bins); the one nearest to a half where several have it."""
    at_least = counts.flip(-1).cumsum(-1).flip(-1)  # pixels of this logit or more
    dice = 2 * at_least[:, 1] / (at_least.sum(1) + counts[:, 1].sum(-1, keepdim=True)).clamp(min=1)
    edges = torch.logit(torch.tensor(_THRESHOLDS, dtype=torch.float64))
    first = torch.searchsorted(logits, edges).clamp(max=len(logits) - 1)
    scores = dice.mean(0)[first].tolist()
    return max(zip(_THRESHOLDS, scores, strict=True), key=lambda each: (round(each[1], 6), -abs(each[0] - 0.5)))[0]
