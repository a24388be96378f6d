"""Which runs belong together: union-find, over a whole mask or over bands of it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.objects.runs import Int, Runs

Connectivity = Literal[4, 8]


@dataclass(frozen=True, eq=False)
class Contacts:
    """The pairs of runs of neighbouring rows that touch: indices of the upper and the lower of each."""

    upper: Int
    lower: Int

    @classmethod
    def of(cls, runs: Runs, connectivity: Connectivity = 8) -> "Contacts":
        """Find them by a search in the sorted positions."""
        corner = connectivity == 8
        stride = runs.stride
        first = np.searchsorted(runs.stops, runs.starts + stride, "left" if corner else "right")
        last = np.searchsorted(runs.starts, runs.stops + stride, "right" if corner else "left")
        counts = last - first
        upper = np.repeat(np.arange(len(runs)), counts)
        before = np.cumsum(counts) - counts
        return cls(upper, np.arange(len(upper)) + (first - before)[upper])

    def and_those(self, upper: Int, lower: Int) -> "Contacts":
        """Return these and others."""
        return Contacts(np.concatenate([self.upper, upper]), np.concatenate([self.lower, lower]))


def components(count: int, contacts: Contacts) -> tuple[int, NDArray[np.int32]]:
    """Return how many components `count` nodes form, and that of each node, numbered from 0 by their first nodes."""
    parents = np.arange(count)
    upper, lower = contacts.upper, contacts.lower
    while len(upper):
        ends = np.minimum(upper, lower), np.maximum(upper, lower)
        np.minimum.at(parents, ends[1], ends[0])
        while True:  # until each points at its root
            above = parents[parents]
            if np.array_equal(above, parents):
                break
            parents = above
        upper, lower = parents[upper], parents[lower]
        apart = upper != lower
        upper, lower = upper[apart], lower[apart]
    is_root = parents == np.arange(count)
    numbers = np.cumsum(is_root, dtype=np.int32) - 1
    return int(np.count_nonzero(is_root)), numbers[parents]


class ObjectCounter:
    """Counts the objects of a mask that comes in bands of rows; of what came before it holds one row."""

    def __init__(self) -> None:
        """Begin above the first row."""
        self.count = 0
        self._last: tuple[NDArray[np.bool_], NDArray[np.int32], int] | None = None  # row, object of each run, how many

    def add(self, band: NDArray[np.bool_]) -> None:
        """Add the next rows, (rows, W)."""
        if self._last is None:
            runs, known, open_before = Runs.of(band), np.zeros(0, dtype=np.int32), 0
        else:
            row, known, open_before = self._last
            runs = Runs.of(np.vstack([row[np.newaxis], band]))
        # Runs of the row above may be one object already, further up.
        _, firsts = np.unique(known, return_index=True)
        contacts = Contacts.of(runs).and_those(np.arange(len(known)), firsts[known])
        found, numbers = components(len(runs), contacts)
        self.count += found - open_before
        last = numbers[np.searchsorted(runs.starts, (runs.height - 1) * runs.stride) :]
        still_open, objects = np.unique(last, return_inverse=True)
        self._last = band[-1].copy(), objects.astype(np.int32), len(still_open)


def count_objects(mask: NDArray[np.bool_]) -> int:
    """Return the number of objects of a mask H×W."""
    runs = Runs.of(mask)
    return components(len(runs), Contacts.of(runs))[0]
