"""COCO's compressed run lengths: a mask of one object as text, as pycocotools reads and writes it."""

import numpy as np
from numpy.typing import NDArray

from shared.objects.objects import OneObject
from shared.objects.runs import Int

_BITS = 5  # of a number in one character
_MOST_CHARACTERS = 13  # of a number of 64 bits


def counts_of(one: OneObject) -> Int:
    """Return the lengths of runs, column by column from the left: unset pixels first, then set ones, in turn."""
    height, width = one.runs.height, one.runs.width
    columns, rows = np.nonzero(one.mask().T)
    positions = (columns + one.box.left) * height + rows + one.box.top
    begins = np.r_[True, np.diff(positions) != 1]
    starts = positions[begins]
    stops = positions[np.r_[begins[1:], True]] + 1
    edges = np.stack([starts, stops], axis=1).ravel()
    counts: Int = np.diff(np.r_[0, edges, height * width])
    # A mask that ends with a set pixel has no last run of unset ones.
    return counts if counts[-1] else counts[:-1]


def compressed(counts: Int) -> str:
    """Return run lengths as text: each from the fourth on as its difference to the last but one."""
    values = counts.astype(np.int64)
    values[3:] -= counts[1:-2]
    characters = np.zeros((len(values), _MOST_CHARACTERS), dtype=np.uint8)
    length = np.zeros(len(values), dtype=np.int64)
    left = np.ones(len(values), dtype=np.bool_)
    for place in range(_MOST_CHARACTERS):
        low = values & 0x1F
        values >>= _BITS
        # It ends where what is left is only the sign, which the fifth bit shows.
        goes_on = np.where(low & 0x10, values != -1, values != 0)
        characters[left, place] = (low + 0x20 * goes_on + 48)[left]
        length[left] += 1
        left &= goes_on
        if not left.any():
            break
    return _joined(characters, length)


def _joined(characters: NDArray[np.uint8], length: Int) -> str:
    return characters[np.arange(characters.shape[1]) < length[:, np.newaxis]].tobytes().decode("ascii")
