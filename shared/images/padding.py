"""What surrounds an image that is smaller than the network's tile: more of its own ground.

Zeros would be an edge around the image, and next to a small one the network sees little else. Reflections would look
like parts of one large shape. So the surroundings are put together from small squares of the image's own border, which
have its level, its noise, and the noise's grain.
"""

import numpy as np
from numpy.typing import NDArray

Padding = tuple[tuple[int, int], tuple[int, int]]  # above and below, left and right

_SQUARE = 8  # px
_MIN_KNOWN = 0.5  # of a square's pixels, which are not exact zeros
_KEPT = 0.75  # of the squares; those whose levels are farthest from the usual may have a dot


def pad_with_ground(image: NDArray[np.float32], padding: Padding) -> NDArray[np.float32]:
    """Surround a prepared image (H×W) by squares of its border; the same image gives the same surroundings."""
    if not any(map(any, padding)):
        return image
    padded = np.pad(image, padding)
    squares = _border_squares(image)
    if len(squares):
        side = squares.shape[1:]
        rows, columns = (-(-length // edge) for length, edge in zip(padded.shape, side, strict=True))
        drawn = np.random.default_rng(0).integers(len(squares), size=(rows, columns))
        surroundings = squares[drawn].swapaxes(1, 2).reshape(rows * side[0], columns * side[1])
        padded[...] = surroundings[: padded.shape[0], : padded.shape[1]]
        top, left = padding[0][0], padding[1][0]
        padded[top : top + image.shape[0], left : left + image.shape[1]] = image
    return padded


def _border_squares(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, height, width): those along the four sides, without padding and without what stands out."""
    height, width = (min(_SQUARE, side) for side in image.shape)
    across = np.arange(0, image.shape[1] - width + 1, max(width // 2, 1))
    down = np.arange(0, image.shape[0] - height + 1, max(height // 2, 1))
    windows = np.lib.stride_tricks.sliding_window_view(image, (height, width))
    squares = np.concatenate([windows[0, across], windows[-1, across], windows[down, 0], windows[down, -1]])
    squares = squares[np.count_nonzero(squares, axis=(1, 2)) >= _MIN_KNOWN * height * width]
    if not len(squares):
        return np.empty((0, height, width), dtype=np.float32)
    levels = squares.mean(axis=(1, 2))
    distances = np.abs(levels - np.median(levels))
    usual: NDArray[np.float32] = squares[distances <= np.quantile(distances, _KEPT)]
    return usual
