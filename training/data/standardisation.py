"""Standardising a batch on the training device."""

from torch import Tensor


def standardise_batch(images: Tensor) -> Tensor:
    """Standardise each image of a batch (N, H, W), float32, of moderate intensities.

    As `shared.images.normalise.standardise` does one.
    """
    centred = images - images.mean((1, 2), keepdim=True)
    deviation = centred.square().mean((1, 2), keepdim=True).sqrt_()
    is_constant = images.amin((1, 2), keepdim=True) == images.amax((1, 2), keepdim=True)
    return centred.div_(deviation).masked_fill_(is_constant, 0.0)
