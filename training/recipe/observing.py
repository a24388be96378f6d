"""Results on scenes like those trained on, and on strangers: what `training.recipe.scores` fits scores to."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.images.preparation import prepare
from shared.images.probabilities import MapNumbers, foreground_from, histogram
from shared.net.backends.contract import Answer
from shared.net.fits import Floats
from shared.net.predictor import Predictor
from shared.net.tiling import TILE_SIZE
from shared.net.witness import window_features
from shared.synth.field import Field
from training.data.source import Batch
from training.data.synthesis import wide_picture
from training.evaluation.worth import worth
from training.recipe.strangers import stranger

_WINDOWS_OF_EACH = 4
_WIDE_STREAM = 10  # of a run's seed
_SEEDS_APART = 1_000_000
_SMALLEST = 200  # px a side; what is smaller is enlarged for the network


@dataclass(frozen=True, eq=False)
class Observations:
    """Results of N pictures of one window: what a worker would know of them, and what they are worth."""

    features: tuple[Floats, ...]  # of each depth, (N, 2C)
    numbers: Floats  # (N, 4), see `MapNumbers.vector`
    found: NDArray[np.bool_]  # (N,), whether the mask has foreground
    worth: Floats  # (N,), see `training.evaluation.worth`

    def __len__(self) -> int:
        return len(self.worth)

    def part(self, which: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """Return some of them."""
        features = tuple(each[which] for each in self.features)
        return type(self)(features, self.numbers[which], self.found[which], self.worth[which])

    def joined(self, other: Self | None) -> Self:
        """Return both together."""
        if other is None:
            return self
        features = tuple(np.concatenate(each) for each in zip(self.features, other.features, strict=True))
        names = ("numbers", "found", "worth")
        return type(self)(
            features, *(np.concatenate([getattr(each, name) for each in (self, other)]) for name in names)
        )

    def halves(self) -> tuple[Self, Self]:
        """Return the first half and the second."""
        middle = len(self) // 2
        return self.part(slice(middle)), self.part(slice(middle, None))


@dataclass(frozen=True, eq=False)
class WidePictures:
    """Results of pictures of several windows."""

    windows: Observations  # all of the first picture, all of the second …
    of_each: int  # windows that a picture has
    wholes: Observations  # of the pictures, whose features are those of their first windows

    def some_windows(self) -> Observations:
        """Return a few windows of each picture: neighbours have much in common."""
        first = np.arange(0, len(self.windows), self.of_each)[:, None]
        chosen = np.linspace(0, self.of_each - 1, min(_WINDOWS_OF_EACH, self.of_each)).round().astype(np.intp)
        return self.windows.part((first + chosen).ravel())


def observe(predictor: Predictor, batches: Iterable[Batch], scenes: int) -> Observations:
    """Segment the first `scenes` samples, each of one window, and note what comes out."""
    rows = []
    for pixels, truth in _samples(batches, scenes):
        (answer,) = predictor.answer_tiles(pixels[None])
        rows.append(_row(answer.levels, predictor.threshold, truth, _only_window(answer)))
    return _observations(rows)


def observe_small(predictor: Predictor, batches: Iterable[Batch], images: int, *, seed: int) -> Observations:
    """Do the same for samples that are cut to less than a tile and surrounded by more of their ground."""
    rng = np.random.default_rng((seed, _WIDE_STREAM))
    rows = []
    for pixels, truth in _samples(batches, images):
        at = tuple(slice(int(rng.integers(min(_SMALLEST, side), side + 1))) for side in truth.shape)
        rows.append(_of_small_image(predictor, pixels[0][at], truth[at]))
    return _observations(rows)


def _samples(batches: Iterable[Batch], count: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    samples = ((image, mask) for batch in batches for image, mask in zip(batch.images, batch.masks, strict=True))
    for image, mask in itertools.islice(samples, count):
        yield image.cpu().numpy(), mask[0].cpu().numpy() > 0.5


def observe_strangers(predictor: Predictor, count: int, *, seed: int) -> Observations:
    """Do the same for `count` drawn pictures that have nothing to do with the task."""
    rows = []
    for index in range(count):
        rng = np.random.default_rng((seed, _WIDE_STREAM, index))
        height, width = rng.integers(_SMALLEST, TILE_SIZE + 1, 2) if rng.random() < 0.5 else (TILE_SIZE, TILE_SIZE)
        picture = prepare(stranger(seed * _SEEDS_APART + index, TILE_SIZE)[:height, :width])
        if not picture.constant:
            rows.append(_of_small_image(predictor, picture.image, np.zeros((height, width), dtype=np.bool_)))
    return _observations(rows)


def observe_wide(predictor: Predictor, definition: Field, pictures: int, *, seed: int) -> WidePictures:
    """Do the same for wide pictures, each segmented as one tile, as those of large images are.

    What is in the rest of a tile changes the features of a window: the network's attention looks at all of it.
    """
    windows: list[_Row] = []
    wholes: list[_Row] = []
    for index in range(pictures):
        image, mask = wide_picture(np.random.default_rng((seed, _WIDE_STREAM, index)), TILE_SIZE, definition)
        (answer,) = predictor.answer_tiles(image.numpy()[None])
        vectors, corners = window_features(answer)
        truth = mask.numpy() > 0.5
        for number, (row, column) in enumerate(corners):
            at = slice(row, row + TILE_SIZE), slice(column, column + TILE_SIZE)
            features = [each[number] for each in vectors]
            windows.append(_row(answer.levels[at], predictor.threshold, truth[at], features))
        wholes.append(_row(answer.levels, predictor.threshold, truth, [each[0] for each in vectors]))
    return WidePictures(_observations(windows), len(windows) // len(wholes), _observations(wholes))


_Row = tuple[Sequence[Floats], Floats, bool, float]
"""The fields of one of `Observations`."""


def _of_small_image(predictor: Predictor, pixels: NDArray[np.float32], truth: NDArray[np.bool_]) -> _Row:
    """Segment a prepared image H×W that fits into a tile, as a worker would."""
    intake = predictor.intake
    plan = intake.plan(*pixels.shape)
    planes = pixels if intake.channels == 1 else np.broadcast_to(pixels, (intake.channels, *pixels.shape))
    (answer,) = predictor.answer_tiles(np.stack(list(intake.tiles(planes, plan))))
    above, left = plan.row_padding[0], plan.column_padding[0]
    inside = slice(above, above + pixels.shape[0]), slice(left, left + pixels.shape[1])
    return _row(answer.levels[inside], predictor.threshold, truth, _only_window(answer))


def _row(levels: NDArray[np.uint8], threshold: float, truth: NDArray[np.bool_], features: Sequence[Floats]) -> _Row:
    of_map = MapNumbers.of(histogram(levels), threshold)
    return features, of_map.vector, of_map.foreground > 0, worth(levels >= foreground_from(threshold), truth)


def _only_window(answer: Answer) -> list[Floats]:
    return [each[0] for each in window_features(answer)[0]]


def _observations(rows: Sequence[_Row]) -> Observations:
    features, numbers, found, worths = zip(*rows, strict=True)
    of_depth = tuple(np.stack(depth) for depth in zip(*features, strict=True))
    return Observations(of_depth, np.stack(numbers), np.array(found), np.array(worths))
