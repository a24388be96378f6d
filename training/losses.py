"""Losses on logits, as pure functions. Tensors are (B, 1, H, W); targets are 0 or 1."""

import torch
import torch.nn.functional as F
from torch import Tensor


def soft_dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """1 − Dice of the probabilities, for each image, then the mean (Milletari et al. 2016, in linear form).

    `smooth` (pixels) keeps an empty truth answered by an empty prediction at a loss of 0.
    """
    probability = torch.sigmoid(logits)
    overlap = (probability * target).sum((1, 2, 3))
    total = (probability + target).sum((1, 2, 3))
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()


def segmentation_loss(logits: Tensor, target: Tensor, *, dice: float, bce: float) -> Tensor:
    """Weighted sum of the soft Dice loss and the binary cross-entropy per pixel."""
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target)
    return dice * soft_dice_loss(logits, target) + bce * cross_entropy
