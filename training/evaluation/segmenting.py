"""Pictures of any size through the network as the worker takes them: prepared, tiled, blended, in 8 bits."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from shared.images.decoded import Pixels
from shared.images.preparation import Prepared, prepare
from shared.images.probabilities import histogram
from shared.images.resample import resample, scaled
from shared.net.backends.contract import PROBABILITY_LEVELS
from shared.net.intake import Intake
from shared.net.predictor import Predictor
from shared.net.tiling import TILE_SIZE, Stitcher
from shared.net.witness import UNKNOWN, Verdict, Witness

_BATCH_PIXELS = 8 * TILE_SIZE**2  # in one pass


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What the network made of a picture."""

    image: Pixels  # H×W, as decoded; of several channels their mean
    levels: NDArray[np.uint8]  # H×W, probabilities in 255ths
    threshold: float
    verdict: Verdict = UNKNOWN  # of the model's own scores

    @property
    def probability(self) -> NDArray[np.float32]:
        """The foreground probability of each pixel."""
        return np.divide(self.levels, np.float32(PROBABILITY_LEVELS), dtype=np.float32)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where it sees foreground."""
        return self.probability >= self.threshold


def prepared(image: Pixels, intake: Intake) -> Prepared:
    """Return what a network gets of a decoded image: the one place where evaluation prepares pictures of any kind."""
    shape = image.shape[-2], image.shape[-1]
    scale = intake.scale(shape, 1.0)
    return prepare(image if scale == 1.0 else resample(image, scaled(shape, scale)))


def segment(predictor: Predictor, images: Sequence[Pixels]) -> list[Segmentation]:
    """Segment a few images, H×W or C×H×W, at once: tiles of one size share a pass, whichever image they are of."""
    ready = [prepared(image, predictor.intake) for image in images]
    stitchers = [Stitcher(predictor.intake.plan(*each.image.shape[-2:])) for each in ready]
    witnesses = [Witness(predictor.scores, stitcher.plan, predictor.threshold) for stitcher in stitchers]
    for batch in _batches(_tiles(ready, stitchers, predictor.intake)):
        answers = predictor.answer_tiles(np.stack([tile for _, _, tile in batch]))
        for (number, index, _), answer in zip(batch, answers, strict=True):
            stitchers[number].add(index, answer.levels)
            witnesses[number].add(index, answer)
    found = []
    for image, each, stitcher, witness in zip(images, ready, stitchers, witnesses, strict=True):
        shown = image if image.ndim == 2 else image.mean(axis=0)
        levels = _levels(each, stitcher, shown.shape)
        found.append(Segmentation(shown, levels, predictor.threshold, witness.verdict(histogram(levels))))
    return found


def _levels(ready: Prepared, stitcher: Stitcher, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    if ready.constant:
        return np.zeros(shape, dtype=np.uint8)
    levels: NDArray[np.uint8] = np.rint(resample(stitcher.result(), (shape[0], shape[1]))).astype(np.uint8)
    return levels


_Tile = tuple[int, int, NDArray[np.float32]]
"""Number of the image, index in its plan, pixels."""


def _tiles(ready: Sequence[Prepared], stitchers: Sequence[Stitcher], intake: Intake) -> Iterator[_Tile]:
    for number, (each, stitcher) in enumerate(zip(ready, stitchers, strict=True)):
        if not each.constant:
            for index, tile in enumerate(intake.tiles(each.image, stitcher.plan)):
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
