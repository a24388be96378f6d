"""What may be done to a mask before it is stored, all of it off unless asked for.

In this order: the outline is smoothed, holes are filled, small objects are dropped, the largest object alone is kept.
Each is exact for images of any size: smoothing sees so many rows around a band as it needs, and the rest follows from
the runs of the whole mask (`shared.objects.runs`).
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from shared.objects.components import Contacts, components
from shared.objects.objects import Objects
from shared.objects.options import PostProcessing
from shared.objects.runs import Runs

Mask = NDArray[np.bool_]


def applied(asked: PostProcessing, mask: Mask) -> Mask:
    """Return what becomes of a mask H×W.

    Raises:
        UsageError: it has more runs than are handled.
    """
    return processed_runs(asked, [mask]).mask() if asked else mask


def processed_runs(asked: PostProcessing, bands: Iterable[Mask]) -> Runs:
    """Return what becomes of a mask that comes in bands of rows.

    Raises:
        UsageError: it has more runs than are handled.
    """
    runs = Runs.of_bands(smoothed(bands, asked.smooth) if asked.smooth else bands)
    if asked.fill_holes:
        runs = runs.joined(_holes(runs))
    if asked.min_area > 1:
        objects = Objects(runs)
        runs = objects.without(objects.shapes.area < asked.min_area)
    if asked.keep_largest and len(runs):
        objects = Objects(runs)
        runs = objects.without(np.arange(len(objects)) != np.argmax(objects.shapes.area))
    return runs


def _holes(runs: Runs) -> Runs:
    """The background that the image's border cannot be reached from, by sides of pixels."""
    background = runs.background()
    if not len(background):
        return background
    count, owners = components(len(background), Contacts.of(background, 4))
    columns, rows = background.starts % background.stride, background.rows
    outside = (columns == 0) | (columns + background.lengths == runs.width) | (rows == 0) | (rows == runs.height - 1)
    is_open = np.zeros(count, dtype=np.bool_)
    is_open[owners[outside]] = True
    return background.chosen(~is_open[owners])


def smoothed(bands: Iterable[Mask], radius: int) -> Iterator[Mask]:
    """Yield the bands of a mask in which each pixel is what most are around it.

    Args:
        bands: rows from the top.
        radius: how far around; of a band so many rows are held back until those below are known.
    """
    held: Mask | None = None
    first = 0  # of the rows in `held` that are not yielded yet
    for band in bands:
        held = band if held is None else np.concatenate([held, band])
        last = len(held) - radius
        if last > first:
            yield _majority(held, first, last, radius)
            kept = max(last - radius, 0)
            held, first = held[kept:], last - kept
    if held is not None:
        yield _majority(held, first, len(held), radius)


def _majority(mask: Mask, first: int, last: int, radius: int) -> Mask:
    height, width = mask.shape
    sums = np.zeros((height + 1, width + 1), dtype=np.int32)
    np.cumsum(mask, axis=0, dtype=np.int32, out=sums[1:, 1:])
    np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
    rows, columns = np.arange(first, last), np.arange(width)
    top, bottom = np.maximum(rows - radius, 0), np.minimum(rows + radius + 1, height)
    left, right = np.maximum(columns - radius, 0), np.minimum(columns + radius + 1, width)
    below, above = sums[bottom], sums[top]
    set_pixels = below[:, right] - below[:, left] - above[:, right] + above[:, left]
    most: Mask = 2 * set_pixels > np.outer(bottom - top, right - left)
    return most
