"""What the probability map tells of each object: how likely its pixels are, and how sure its outline is."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.objects.runs import Int, Runs

NEAR = 3
"""Pixels around an object whose probabilities speak about it."""

_LEVEL = 255


@dataclass(frozen=True, eq=False)
class Likelihood:
    """One value for each object in every array."""

    mean: NDArray[np.float64]  # probability over its pixels
    confidence: NDArray[np.float64]  # 2 Σp over it / (Σp up to 3 px around it, itself included, + its pixels)


def likelihood(
    runs: Runs, owners: NDArray[np.int32], count: int, area: Int, bands: Iterable[NDArray[np.uint8]]
) -> Likelihood:
    """Sum the 8-bit map over each object and over what is near it, a band of rows at a time.

    A pixel is near where it lies at most `NEAR` columns and `NEAR` rows from a pixel of the object; it may be near
    several objects.
    """
    inside, near = np.zeros(count), np.zeros(count)
    top, stride = 0, runs.stride
    for band in bands:
        bottom = top + len(band)
        sums = np.zeros(len(band) * stride + 1, dtype=np.int64)
        padded = np.zeros((len(band), stride), dtype=np.uint8)
        padded[:, : runs.width] = band
        np.cumsum(padded, dtype=np.int64, out=sums[1:])
        low = top * stride
        first, last = np.searchsorted(runs.starts, [low, bottom * stride])
        values = sums[runs.stops[first:last] - low] - sums[runs.starts[first:last] - low]
        inside += np.bincount(owners[first:last], weights=values, minlength=count)
        first, last = np.searchsorted(runs.starts, [(top - NEAR) * stride, (bottom + NEAR) * stride])
        around = Runs(runs.height, runs.width, runs.starts[first:last], runs.stops[first:last])
        who, starts, stops = _widened(around, owners[first:last], top, bottom)
        near += np.bincount(who, weights=sums[stops - low] - sums[starts - low], minlength=count)
        top = bottom
    total = near + _LEVEL * area
    return Likelihood(inside / (_LEVEL * area), 2 * inside / total)


def _widened(runs: Runs, owners: NDArray[np.int32], top: int, bottom: int) -> tuple[Int, Int, Int]:
    """Owner, start and stop of the stretches within rows `top` to `bottom` that are near each object, none twice."""
    columns = runs.starts % runs.stride
    left = np.maximum(columns - NEAR, 0)
    right = np.minimum(columns + runs.lengths + NEAR, runs.width)
    shifts = np.arange(-NEAR, NEAR + 1)
    row = (runs.rows[:, np.newaxis] + shifts).ravel()
    owner, left, right = (np.repeat(each, len(shifts)) for each in (owners.astype(np.int64), left, right))
    kept = (row >= top) & (row < bottom)
    row, owner, left, right = row[kept], owner[kept], left[kept], right[kept]
    # The stretches of one owner on a line of its own, where those that overlap become one.
    line = owner * ((runs.height + 1) * runs.stride)
    starts, stops = line + row * runs.stride + left, line + row * runs.stride + right
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(stops[order])
    begins = np.flatnonzero(np.r_[True, starts[1:] > reach[:-1]][: len(starts)])
    ends = np.r_[begins[1:], len(starts)] - 1 if len(begins) else begins
    who, line = owner[order][begins], line[order][begins]
    return who, starts[begins] - line, reach[ends] - line
