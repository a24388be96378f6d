"""The objects of one mask: how many, where, and what is measured of each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.objects.components import Contacts, components
from shared.objects.likelihood import Likelihood, likelihood
from shared.objects.runs import Int, Runs
from shared.objects.shapes import Shapes, shapes


@dataclass(frozen=True)
class Box:
    """The smallest rectangle with all pixels of an object, in whole pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class OneObject:
    """An object by its number, with its place and its pixels."""

    number: int  # from 1
    box: Box
    runs: Runs  # its own, in the coordinates of the image

    def mask(self) -> NDArray[np.bool_]:
        """Return its pixels within its box, (box.height, box.width)."""
        box = self.box
        rows, columns = self.runs.rows - box.top, self.runs.starts % self.runs.stride - box.left
        starts = rows * (box.width + 1) + columns
        shifted = Runs(box.height, box.width, starts, starts + self.runs.lengths)
        return shifted.painted(0, box.height).astype(np.bool_)


class Objects:
    """The objects of an H×W mask, in the order of their numbers."""

    def __init__(self, runs: Runs) -> None:
        """Tell the runs of the mask apart into objects."""
        self.runs = runs
        self._contacts = Contacts.of(runs)
        self._count, self.owners = components(len(runs), self._contacts)

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Self:
        """Find the objects of a whole mask H×W."""
        return cls(Runs.of(mask))

    @classmethod
    def of_bands(cls, bands: Iterable[NDArray[np.bool_]]) -> Self:
        """Find the objects of a mask that comes in bands of rows; memory grows with its runs, not with its pixels.

        Raises:
            UsageError: it has more runs than `shared.objects.runs.MAX_RUNS`.
        """
        return cls(Runs.of_bands(bands))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[OneObject]:
        if not self._count:
            return
        left, top, right, bottom = self.shapes.edges
        for index, runs in enumerate(np.split(self._by_owner, np.cumsum(self.shapes.run_counts)[:-1])):
            place = left[index], top[index], right[index] - left[index], bottom[index] - top[index]
            own = Runs(self.runs.height, self.runs.width, self.runs.starts[runs], self.runs.stops[runs])
            yield OneObject(index + 1, Box(*map(int, place)), own)

    def labels(self, top: int = 0, bottom: int | None = None) -> NDArray[np.int32]:
        """Return rows `top` to `bottom` of the label image, (rows, W) int32: each pixel's object, 0 for background."""
        return self.runs.painted(top, self.runs.height if bottom is None else bottom, self.owners + 1)

    @cached_property
    def shapes(self) -> Shapes:
        """What is measured of the mask alone."""
        return shapes(self.runs, self._contacts, self.owners, self._count)

    def likelihood(self, bands: Iterable[NDArray[np.uint8]]) -> Likelihood:
        """Return what the probability map tells of each object.

        Args:
            bands: the 8-bit map, in bands of rows from the top; one band may be all of it.
        """
        return likelihood(self.runs, self.owners, self._count, self.shapes.area, bands)

    def without(self, unwanted: NDArray[np.bool_]) -> Runs:
        """Return the runs of the mask without some objects: `unwanted` has a truth value for each."""
        return self.runs.chosen(~unwanted[self.owners])

    @property
    def _by_owner(self) -> Int:
        return np.argsort(self.owners, kind="stable")
