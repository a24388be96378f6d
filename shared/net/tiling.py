"""Cut an image of any size into overlapping tiles of one size, and blend their results together again.

An image smaller than a tile is padded with its mean, equally on both sides: reflections would look like parts of one
large shape. Tiles are spread evenly, so neighbours overlap by at least the overlap asked for; across it their results
are cross-faded, which hides the seams that different context would leave.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TILE_SIZE = 512  # px; the size that the shipped network is trained on
TILE_OVERLAP = 64  # px


@dataclass(frozen=True)
class TilePlan:
    """Where the tiles of a height × width image lie. Build it with `plan_tiles`.

    `row_starts` and `column_starts` are offsets in the padded image; tile k is at row k // len(column_starts).
    """

    height: int
    width: int
    tile: int
    overlap: int
    row_padding: tuple[int, int]  # above, below
    column_padding: tuple[int, int]  # left, right
    row_starts: tuple[int, ...]
    column_starts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.row_starts) * len(self.column_starts)

    def start(self, index: int) -> tuple[int, int]:
        """Row and column of the tile's first pixel in the padded image."""
        row, column = divmod(index, len(self.column_starts))
        return self.row_starts[row], self.column_starts[column]


def plan_tiles(height: int, width: int, tile: int = TILE_SIZE, overlap: int = TILE_OVERLAP) -> TilePlan:
    """The fewest evenly spread tile × tile tiles that cover the image and overlap by at least `overlap` pixels.

    Raises `ValueError` for an image without pixels or an overlap that leaves no step from tile to tile.
    """
    if height < 1 or width < 1:
        raise ValueError(f"an image of {height}×{width} has no pixels")
    if not 0 <= overlap < tile:
        raise ValueError(f"an overlap of {overlap} px: use 0 to {tile - 1}")
    return TilePlan(
        height=height,
        width=width,
        tile=tile,
        overlap=overlap,
        row_padding=_padding(height, tile),
        column_padding=_padding(width, tile),
        row_starts=_starts(max(height, tile), tile, overlap),
        column_starts=_starts(max(width, tile), tile, overlap),
    )


def cut(image: NDArray[Any], plan: TilePlan) -> NDArray[Any]:
    """The tiles of an image (height, width): (len(plan), tile, tile), in the plan's order."""
    return np.stack(list(iterate_tiles(image, plan)))


def iterate_tiles(image: NDArray[Any], plan: TilePlan) -> Iterator[NDArray[Any]]:
    """Yield the tiles of an image (height, width) one by one, in the plan's order, without copying them."""
    if image.shape != (plan.height, plan.width):
        raise ValueError(f"the plan is for {plan.height}×{plan.width}, the image has shape {image.shape}")
    padded = np.pad(image, (plan.row_padding, plan.column_padding), constant_values=image.mean())
    for index in range(len(plan)):
        row, column = plan.start(index)
        yield padded[row : row + plan.tile, column : column + plan.tile]


class Stitcher:
    """Collects the results of a plan's tiles, in any order, each once; `result` blends them."""

    def __init__(self, plan: TilePlan) -> None:
        self.plan = plan
        self._rows = _weights(plan.row_starts, plan)
        self._columns = _weights(plan.column_starts, plan)
        shape = (plan.height + sum(plan.row_padding), plan.width + sum(plan.column_padding))
        self._canvas = np.zeros(shape, dtype=np.float32)

    def add(self, index: int, tile: NDArray[Any]) -> None:
        """Add the result (tile, tile) of the index-th tile."""
        tile_row, tile_column = divmod(index, len(self.plan.column_starts))
        row, column = self.plan.start(index)
        weight = np.multiply.outer(self._rows[tile_row], self._columns[tile_column])
        self._canvas[row : row + self.plan.tile, column : column + self.plan.tile] += weight * tile

    def result(self) -> NDArray[np.float32]:
        """The blended image, (height, width), once every tile was added."""
        top, left = self.plan.row_padding[0], self.plan.column_padding[0]
        return self._canvas[top : top + self.plan.height, left : left + self.plan.width]


def stitch(tiles: Iterable[NDArray[Any]], plan: TilePlan) -> NDArray[np.float32]:
    """Blend all tiles, given in the plan's order: (height, width), in the tiles' own units."""
    stitcher = Stitcher(plan)
    for index, tile in enumerate(tiles):
        stitcher.add(index, tile)
    return stitcher.result()


def _padding(length: int, tile: int) -> tuple[int, int]:
    missing = max(tile - length, 0)
    return missing // 2, missing - missing // 2


def _starts(length: int, tile: int, overlap: int) -> tuple[int, ...]:
    count = 1 + -(-(length - tile) // (tile - overlap))
    return tuple(int(start) for start in np.linspace(0, length - tile, count).round())


def _weights(starts: tuple[int, ...], plan: TilePlan) -> NDArray[np.float32]:
    """Weight of every position of every tile along one axis, (tiles, tile); they add up to 1 at each pixel."""
    distance = np.minimum(np.arange(1, plan.tile + 1), np.arange(plan.tile, 0, -1))
    window = np.minimum(distance / (plan.overlap + 1), 1.0)
    total = np.zeros(starts[-1] + plan.tile)
    for start in starts:
        total[start : start + plan.tile] += window
    return np.stack([window / total[start : start + plan.tile] for start in starts]).astype(np.float32)
