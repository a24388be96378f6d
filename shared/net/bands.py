"""Blend the tiles of an image too large to be held: rows are finished, and given out, from the top."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.net.tiling import TilePlan, weights


class BandStitcher:
    """A `shared.net.tiling.Stitcher` for tiles in the plan's order, with the memory of one row of them."""

    def __init__(self, plan: TilePlan) -> None:
        self.plan = plan
        self._rows = weights(plan.row_starts, plan.tile[0])
        self._columns = weights(plan.column_starts, plan.tile[1])
        self._canvas = np.zeros((plan.tile[0], plan.width + sum(plan.column_padding)), dtype=np.float32)
        self._next = 0
        self._finished = 0  # rows of the canvas that were given out

    def add(self, tile: NDArray[Any]) -> NDArray[np.float32] | None:
        """Add the result of the next tile; return the rows of the image that this finished, if any.

        The rows are the caller's until the next call.
        """
        row, column = divmod(self._next, len(self.plan.column_starts))
        if column == 0:
            self._give_way()
        start = self.plan.column_starts[column]
        weight = np.multiply.outer(self._rows[row], self._columns[column])
        weight *= tile
        self._canvas[:, start : start + self.plan.tile[1]] += weight
        self._next += 1
        if column + 1 < len(self.plan.column_starts):
            return None
        starts, (above, below) = self.plan.row_starts, self.plan.row_padding
        last = row + 1 == len(starts)
        self._finished = len(self._canvas) if last else starts[row + 1] - starts[row]
        left = self.plan.column_padding[0]
        # An image of more than one row of tiles has no padding above or below.
        return self._canvas[above : self._finished - below, left : left + self.plan.width]

    def _give_way(self) -> None:
        """Move what is not finished yet to the top."""
        kept = len(self._canvas) - self._finished
        self._canvas[:kept] = self._canvas[self._finished :]
        self._canvas[kept:] = 0
        self._finished = 0
