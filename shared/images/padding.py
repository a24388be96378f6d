"""What surrounds an image that is smaller than the network's tile: more of its own ground.

Zeros would be an edge around the image, and next to a small one the network sees little else. Reflections would look
like parts of one large shape. So the surroundings are put together from small squares of the image's own border, which
have its level, its noise, and the noise's grain.
"""

import numpy as np
from numpy.typing import NDArray

Padding = tuple[tuple[int, int], tuple[int, int]]  # above and below, left and right
NO_PADDING: Padding = ((0, 0), (0, 0))

_SQUARE = 8  # px
_MIN_KNOWN = 0.5  # of a square's pixels, which are not exact zeros
_KEPT = 0.75  # of the squares; those whose levels are farthest from the usual may have a dot


def pad_with_ground(image: NDArray[np.float32], padding: Padding) -> NDArray[np.float32]:
    """Surround a prepared image by squares of its border; the same image gives the same surroundings.

    Args:
        image: H×W, or C×H×W, whose channels all get squares of the same places.
        padding: of its rows and columns.
    """
    if not any(map(any, padding)):
        return image
    padded = np.pad(image, (*[(0, 0)] * (image.ndim - 2), *padding))
    squares = _border_squares(image)
    if squares.shape[-3]:
        height, width = padded.shape[-2:]
        rows, columns = (-(-length // edge) for length, edge in zip((height, width), squares.shape[-2:], strict=True))
        drawn = np.random.default_rng(0).integers(squares.shape[-3], size=(rows, columns))
        laid = squares[..., drawn, :, :].swapaxes(-3, -2)  # …, rows, their pixels, columns, their pixels
        surroundings = laid.reshape(*laid.shape[:-4], laid.shape[-4] * laid.shape[-3], -1)
        padded[...] = surroundings[..., :height, :width]
        top, left = padding[0][0], padding[1][0]
        padded[..., top : top + image.shape[-2], left : left + image.shape[-1]] = image
    return padded


def _border_squares(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(…, n, height, width): those along the four sides, without padding and without what stands out."""
    height, width = (min(_SQUARE, side) for side in image.shape[-2:])
    across = np.arange(0, image.shape[-1] - width + 1, max(width // 2, 1))
    down = np.arange(0, image.shape[-2] - height + 1, max(height // 2, 1))
    windows = np.lib.stride_tricks.sliding_window_view(image, (height, width), axis=(-2, -1))
    sides = [windows[..., 0, across, :, :], windows[..., -1, across, :, :]]
    sides += [windows[..., down, 0, :, :], windows[..., down, -1, :, :]]
    squares = np.concatenate(sides, axis=-3)
    seen = squares if image.ndim == 2 else squares.mean(axis=0)  # by what all channels show together they are chosen
    known = np.count_nonzero(seen, axis=(1, 2)) >= _MIN_KNOWN * height * width
    squares, seen = squares[..., known, :, :], seen[known]
    if not len(seen):
        return squares
    levels = seen.mean(axis=(1, 2))
    distances = np.abs(levels - np.median(levels))
    usual: NDArray[np.float32] = squares[..., distances <= np.quantile(distances, _KEPT), :, :]
    return usual
