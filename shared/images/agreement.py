"""How far two stored masks agree, a band of rows at a time: as pixels only a band of them is an array."""

from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from shared.errors import ImageError, ItemErrorCode
from shared.images.codec import mask_bands


class Agreement(NamedTuple):
    """Pixels inside of each mask, and of both."""

    first: int
    second: int
    both: int

    @property
    def dice(self) -> float:
        """Dice of the two masks, in [0, 1]; 1 where both are empty."""
        return 2 * self.both / (self.first + self.second) if self.first + self.second else 1.0


def agreement(first: bytes, second: bytes) -> Agreement:
    """Compare two PNGs of masks.

    Raises:
        ImageError: one is damaged, or they differ in size.
    """
    counts = np.zeros(3, dtype=np.int64)
    for one, other in zip_longest(mask_bands(first), mask_bands(second)):
        if one is None or other is None or one.shape != other.shape:
            raise ImageError(ItemErrorCode.NOT_AN_IMAGE, "the two masks differ in size")
        counts += [np.count_nonzero(each) for each in (one, other, one & other)]
    return Agreement(*map(int, counts))
