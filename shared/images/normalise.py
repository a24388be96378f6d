"""The one preprocessing step between a decoded image and the network, shared by training and worker."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.images.decoded import Pixels

_BLOCK_PIXELS = 2**16  # what is worked on at a time in float64
_RUN_PIXELS = 512


def standardise(image: Pixels) -> NDArray[np.float32]:
    """Shift and scale an H×W image to zero mean and unit variance over all its pixels.

    The result is the same for `image` and for `gain · image + offset` (gain > 0), up to rounding, so the
    bit depth, gain and black level of a scan do not matter. A constant image becomes zeros. Sums are exact for
    whole numbers and run in float64 for others, since a 16-megapixel float32 sum loses the digits that a
    low-contrast image lives on.

    Args:
        image: H×W, uint8, uint16 or finite float32, any units.

    Returns:
        H×W, float32.
    """
    # Rounding can leave a tiny variance on a constant image, which division would blow up to full scale.
    if image.min() == image.max():
        return np.zeros(image.shape, dtype=np.float32)
    return _of_floats(image) if image.dtype.kind == "f" else _of_whole_numbers(image)


def _of_whole_numbers(image: NDArray[Any]) -> NDArray[np.float32]:
    """Differences to a whole number are exact in float32: a quarter of the time of float64."""
    total = sum(int(runs.sum(axis=1, dtype=np.uint32).sum(dtype=np.uint64)) for runs in _runs(image))
    mean = total / image.size
    nearest = round(mean)
    centred: NDArray[np.float32] = np.subtract(image, image.dtype.type(nearest), dtype=np.float32)
    squares = sum(float(np.einsum("ij,ij->i", runs, runs).sum(dtype=np.float64)) for runs in _runs(centred))
    rest = mean - nearest
    scale = 1 / np.sqrt(squares / image.size - rest**2)
    centred *= np.float32(scale)
    centred -= np.float32(rest * scale)
    return centred


def _runs(image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """All pixels in runs short enough for sums of 32 bits, run by run: those of full length, and the rest."""
    flat = image.reshape(-1)
    end = flat.size // _RUN_PIXELS * _RUN_PIXELS
    return flat[:end].reshape(-1, _RUN_PIXELS), flat[end:].reshape(1, -1)


def _of_floats(image: NDArray[Any]) -> NDArray[np.float32]:
    # In float64 before squaring: intensities near 1e30 would overflow, a large offset would cancel.
    mean = image.mean(dtype=np.float64)
    height, width = image.shape
    rows = min(max(1, _BLOCK_PIXELS // width), height)
    blocks = [slice(row, row + rows) for row in range(0, height, rows)]
    block_memory = np.empty((rows, width))
    squares = 0.0
    for block in blocks:
        centred = np.subtract(image[block], mean, out=block_memory[: height - block.start])
        squares += float(np.vdot(centred, centred))
    scale = 1 / np.sqrt(squares / image.size)
    result = np.empty(image.shape, dtype=np.float32)
    for block in blocks:
        centred = np.subtract(image[block], mean, out=block_memory[: height - block.start])
        np.multiply(centred, scale, out=result[block], casting="same_kind")
    return result
