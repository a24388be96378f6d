"""From the probability map to the mask that is stored, and what is counted in it; whole, or in bands of rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from shared.errors import ItemError, ItemErrorCode, UsageError
from shared.images.large import PixelFile
from shared.images.png_stream import PngStream
from shared.images.probabilities import LEVELS, foreground_from, histogram
from shared.objects.components import ObjectCounter, count_objects
from shared.objects.objects import Objects
from shared.objects.options import PostProcessing
from shared.objects.processing import processed_runs
from shared.objects.runs import Runs
from worker.measuring import MaskNumbers

Levels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Encoded:
    """Mask and probability map of a large image as PNG, and what was counted of them on the way."""

    mask_png: bytes
    probability_png: bytes
    counts: NDArray[np.int64]  # histogram of the map
    found: MaskNumbers


def masked(levels: Levels, threshold: float, asked: PostProcessing) -> tuple[NDArray[np.bool_], MaskNumbers]:
    """Return the mask of a map H×W, after what is asked for was done to it, and what is counted in it."""
    mask = levels >= foreground_from(threshold)
    if not asked:
        return mask, MaskNumbers(count_objects(mask), int(np.count_nonzero(mask)))
    runs = _processed(asked, [mask])
    mask = runs.mask()
    return mask, _found(runs, np.bincount(levels[mask], minlength=LEVELS))


def encoded(
    bands: Iterable[NDArray[np.float32]], shape: tuple[int, int], threshold: float, asked: PostProcessing
) -> Encoded:
    """Encode the map of an image (height, width) that comes in bands of blended levels, and its mask.

    Where something is to be done to the mask, which may depend on all of it, the map waits in a file on disk meanwhile.
    """
    probability = _Map(shape)
    levels = map(probability.add, bands)
    first = foreground_from(threshold)
    mask_png = BytesIO()
    mask = PngStream(mask_png.write, height=shape[0], width=shape[1], bits=1)
    if not asked:
        counter = ObjectCounter()
        for band in levels:
            counter.add(band >= first)
            mask.add(band >= first)
        found = MaskNumbers(counter.count, int(probability.counts[first:].sum()))
    else:
        with PixelFile.of(levels, shape, dtype=np.dtype(np.uint8)) as kept:
            runs = _processed(asked, (pixels >= first for pixels in kept.bands()))
            inside = np.zeros(LEVELS, dtype=np.int64)
            row = 0
            for pixels in kept.bands():
                rows = runs.painted(row, row + len(pixels)).astype(np.bool_)
                inside += np.bincount(pixels[rows].astype(np.uint8), minlength=LEVELS)
                mask.add(rows)
                row += len(pixels)
        found = _found(runs, inside)
    return Encoded(mask_png.getvalue(), probability.png.getvalue(), probability.counts, found)


class _Map:
    """The map as it is written."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.counts = np.zeros(LEVELS, dtype=np.int64)
        self.png = BytesIO()
        self._stream = PngStream(self.png.write, height=shape[0], width=shape[1], bits=8)

    def add(self, band: NDArray[np.float32]) -> Levels:
        levels = np.rint(band).astype(np.uint8)
        self.counts += histogram(levels)
        self._stream.add(levels)
        return levels


def _processed(asked: PostProcessing, bands: Iterable[NDArray[np.bool_]]) -> Runs:
    try:
        return processed_runs(asked, bands)
    except UsageError as error:
        raise ItemError(ItemErrorCode.MASK_TOO_RAGGED, str(error)) from error


def _found(runs: Runs, inside: NDArray[np.int64]) -> MaskNumbers:
    return MaskNumbers(len(Objects(runs)), int(runs.lengths.sum()), inside)
