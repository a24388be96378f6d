"""Losses on logits, as pure functions. Tensors are (B, 1, H, W); targets are 0 or 1."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class LossWeights:
    """Weights of alpha · Dice + beta · cross-entropy + gamma · boundary Tversky; a term of weight 0 is not computed."""

    alpha: float = 1.0
    beta: float = 1.0
    gamma: float = 0.0
    false_positives: float = 0.7  # the boundary term's weights
    false_negatives: float = 0.3
    band_px: int = 5  # on either side of the contour


class LossTerms(NamedTuple):
    """Terms of a loss: the weighted sum, which is trained on, and its terms before they are weighted; scalars."""

    total: Tensor
    dice: Tensor
    bce: Tensor
    boundary: Tensor


def soft_dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """Compute 1 − Dice of the probabilities, for each image, then the mean (Milletari et al. 2016, in linear form).

    Images without a truth are left out: Dice says nothing of them, and its gradient on a single wrong pixel would be
    that of a whole shape. The cross-entropy sees them. `smooth` is in pixels.
    """
    probability = torch.sigmoid(logits)
    overlap = (probability * target).sum((1, 2, 3))
    sizes = target.sum((1, 2, 3))
    total = probability.sum((1, 2, 3)) + sizes
    has_truth = (sizes > 0).to(logits.dtype)
    return ((1 - (2 * overlap + smooth) / (total + smooth)) * has_truth).sum() / has_truth.sum().clamp(min=1)


def contour_band(target: Tensor, width: int) -> Tensor:
    """Mark the pixels within `width` pixels (chessboard distance) of one of the other class: 1, else 0.

    The band has `width` pixels on either side of the contour; the image's edge is no contour.
    """
    return (_dilated(target, width) + _dilated(1 - target, width) - 1).clamp(0, 1)


def boundary_tversky_loss(
    logits: Tensor,
    target: Tensor,
    *,
    false_positives: float,
    false_negatives: float,
    width: int,
    smooth: float = 1.0,
) -> Tensor:
    """Compute 1 − Tversky index on the band around the contour, for each image, then the mean.

    The index is TP / (TP + a·FP + b·FN) over probabilities (Salehi et al. 2017).

    Args:
        logits: (B, 1, H, W).
        target: as large, 0 or 1.
        false_positives: a.
        false_negatives: b.
        width: of the band on either side of the contour, in pixels.
        smooth: pixels that keep an empty band at a loss of 0.
    """
    band = contour_band(target, width)
    inside = torch.sigmoid(logits) * band
    hit = (inside * target).sum((1, 2, 3))
    too_much = inside.sum((1, 2, 3)) - hit
    missed = (band * target).sum((1, 2, 3)) - hit
    return (1 - (hit + smooth) / (hit + false_positives * too_much + false_negatives * missed + smooth)).mean()


def segmentation_loss(logits: Tensor, target: Tensor, weights: LossWeights) -> LossTerms:
    """Compute the recipe's loss: soft Dice, binary cross-entropy per pixel, and Tversky on the boundary."""
    nothing = logits.new_zeros(())
    dice = soft_dice_loss(logits, target) if weights.alpha else nothing
    bce = F.binary_cross_entropy_with_logits(logits, target) if weights.beta else nothing
    boundary = nothing
    if weights.gamma:
        boundary = boundary_tversky_loss(
            logits,
            target,
            false_positives=weights.false_positives,
            false_negatives=weights.false_negatives,
            width=weights.band_px,
        )
    return LossTerms(weights.alpha * dice + weights.beta * bce + weights.gamma * boundary, dice, bce, boundary)


def _dilated(mask: Tensor, width: int) -> Tensor:
    """Take the maximum over the square of side 2 · width + 1, one axis after the other; padding counts as −∞."""
    side = 2 * width + 1
    rows = F.max_pool2d(mask, (side, 1), stride=1, padding=(width, 0))
    return F.max_pool2d(rows, (1, side), stride=1, padding=(0, width))
