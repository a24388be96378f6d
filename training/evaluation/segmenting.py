"""Pictures of any size through the network as the worker takes them: prepared, tiled, blended, in 8 bits."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from shared.images.decoded import Pixels
from shared.images.normalise import standardise
from shared.net.backends.contract import PROBABILITY_LEVELS
from shared.net.predictor import Predictor
from shared.net.tiling import TILE_SIZE, Stitcher, iterate_tiles, plan_tiles

_BATCH_PIXELS = 8 * TILE_SIZE**2  # in one pass


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What the network made of a picture."""

    image: Pixels  # H×W, as decoded
    levels: NDArray[np.uint8]  # H×W, probabilities in 255ths
    threshold: float

    @property
    def probability(self) -> NDArray[np.float32]:
        """The foreground probability of each pixel."""
        return np.divide(self.levels, np.float32(PROBABILITY_LEVELS), dtype=np.float32)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where it sees foreground."""
        return self.probability >= self.threshold


def prepared(image: Pixels) -> NDArray[np.float32]:
    """Return what the network gets of a decoded image: the one place where evaluation prepares pictures of any kind."""
    return standardise(image)


def segment(predictor: Predictor, images: Sequence[Pixels]) -> list[Segmentation]:
    """Segment a few images at once: tiles of one size share a pass, whichever image they are of."""
    stitchers = [Stitcher(plan_tiles(*image.shape)) for image in images]
    for batch in _batches(_tiles(images, stitchers)):
        found = predictor.predict_tiles(np.stack([tile for _, _, tile in batch]))
        for (number, index, _), levels in zip(batch, found, strict=True):
            stitchers[number].add(index, levels)
    return [
        Segmentation(image, np.rint(stitcher.result()).astype(np.uint8), predictor.threshold)
        for image, stitcher in zip(images, stitchers, strict=True)
    ]


_Tile = tuple[int, int, NDArray[np.float32]]
"""Number of the image, index in its plan, pixels."""


def _tiles(images: Sequence[Pixels], stitchers: Sequence[Stitcher]) -> Iterator[_Tile]:
    for number, (image, stitcher) in enumerate(zip(images, stitchers, strict=True)):
        for index, tile in enumerate(iterate_tiles(prepared(image), stitcher.plan)):
            yield number, index, tile


def _batches(tiles: Iterable[_Tile]) -> Iterator[list[_Tile]]:
    for _, alike in groupby(tiles, key=lambda tile: tile[2].shape):
        batch: list[_Tile] = []
        for tile in alike:
            batch.append(tile)
            if sum(each.size for _, _, each in batch) >= _BATCH_PIXELS:
                yield batch
                batch = []
        if batch:
            yield batch
