"""Other resolutions, for images whose shapes are larger or smaller than those that the network knows.

Bilinear, and where pixels get fewer over as many of the old ones as make up a new one, so that none is passed over.
By bands of rows the result is that of the whole at once, up to rounding.
"""

from collections.abc import Iterable, Iterator
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BAND_ROWS = 256


def scaled(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Height and width of an image of this shape, H×W or C×H×W, after resampling by `scale`, a pixel at least."""
    height, width = shape[-2:]
    return max(round(height * scale), 1), max(round(width * scale), 1)


def resample(image: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """An H×W image, or each of C×H×W, in this height and width, as float32; itself where it has them."""
    if image.shape[-2:] == shape:
        return image
    if image.ndim == 3:
        return np.stack([resample(plane, shape) for plane in image])
    return np.concatenate(list(resample_bands([image.astype(np.float32, copy=False)], image.shape, shape)))


def resample_bands(
    bands: Iterable[NDArray[np.float32]], shape: tuple[int, ...], target: tuple[int, int]
) -> Iterator[NDArray[np.float32]]:
    """Bands of rows of an image of this shape, to those of the image in the target's height and width."""
    (height, width), (target_height, target_width) = shape, target
    reach = max(height / target_height, 1.0)  # of the filter, in old rows to either side
    incoming = iter(bands)
    kept, first = np.empty((0, width), dtype=np.float32), 0
    for top in range(0, target_height, _BAND_ROWS):
        bottom = min(top + _BAND_ROWS, target_height)
        low, high = top * height / target_height, bottom * height / target_height
        from_row, to_row = max(floor(low - reach) - 1, 0), min(ceil(high + reach) + 1, height)
        parts = [kept[from_row - first :]] if from_row < first + len(kept) else []
        end = first + len(kept)
        while end < to_row:
            band = next(incoming)
            parts.append(band[max(from_row - end, 0) :])
            end += len(band)
        kept, first = np.concatenate(parts) if len(parts) > 1 else parts[0], from_row
        box = (0, low - first, width, min(high - first, len(kept)))
        piece = Image.fromarray(kept[: to_row - first]).resize(
            (target_width, bottom - top), Image.Resampling.BILINEAR, box=box
        )
        yield np.asarray(piece)
