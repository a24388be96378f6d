"""Areas of convex hulls, of all objects at once."""

import numpy as np
from numpy.typing import NDArray

from shared.objects.runs import Int


def hull_areas(owners: Int, rows: Int, firsts: Int, lasts: Int, count: int) -> NDArray[np.float64]:
    """Return the area of each owner's convex hull, of its pixels as squares.

    Args:
        owners: the object of each extent, from 0 to `count` − 1, sorted.
        rows: of each extent, sorted within an owner, each once.
        firsts: the leftmost pixel of the owner in this row.
        lasts: the pixel after its rightmost.
        count: of objects.
    """
    # Corners of the squares, at the top and the bottom of each row; the hull is between a left and a right chain.
    owner = np.repeat(owners, 2)
    y = np.stack([rows, rows + 1], axis=1).ravel()
    return _chain_areas(owner, y, np.repeat(lasts, 2), count) + _chain_areas(owner, y, -np.repeat(firsts, 2), count)


def _chain_areas(owner: Int, y: Int, x: Int, count: int) -> NDArray[np.float64]:
    """Area between x = 0 and the chain that bulges the most towards large x, of each owner."""
    # Of two points at one height, the bottom of one row and the top of the next, the outer alone counts.
    order = np.lexsort((-x, y, owner))
    owner, y, x = owner[order], y[order], x[order]
    outer = np.r_[True, (owner[1:] != owner[:-1]) | (y[1:] != y[:-1])]
    owner, y, x = owner[outer], y[outer], x[outer]
    while True:
        # A point that does not stand out between its neighbours is no corner of the hull: all such go at once.
        rise = (x[1:-1] - x[:-2]) * (y[2:] - y[:-2]) - (x[2:] - x[:-2]) * (y[1:-1] - y[:-2])
        inner = (owner[2:] == owner[:-2]) & (rise <= 0)
        if not inner.any():
            break
        kept = np.r_[True, ~inner, True]
        owner, y, x = owner[kept], y[kept], x[kept]
    within = owner[1:] == owner[:-1]
    strips = np.where(within, (x[1:] + x[:-1]) * (y[1:] - y[:-1]) / 2, 0.0)
    return np.asarray(np.bincount(owner[:-1], weights=strips, minlength=count), dtype=np.float64)
