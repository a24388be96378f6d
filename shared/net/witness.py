"""Watches an image's tiles go by, and says in the end how good the result probably is and how familiar the picture.

Familiarity is looked at in windows of two blocks of pooled features a side, which is what the fitted scenes have
(512 px); of a larger image the least familiar window counts. Of many windows one is strange by chance, which the
number allows for. What is kept of an image is that window's place.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.images.probabilities import MapNumbers, histogram
from shared.net.backends.contract import Answer
from shared.net.familiarity import FittedScores, surprise_of_least_familiar, window_vectors
from shared.net.network import POOLED_PX
from shared.net.tiling import TilePlan

_WINDOW_PX = 2 * POOLED_PX


@dataclass(frozen=True)
class Place:
    """A square of the image as the network got it; it may end where the image does."""

    row: int
    column: int
    side: int = _WINDOW_PX

    def within(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return row, column, height and width of what an image of this size has of it."""
        return self.row, self.column, min(self.side, height - self.row), min(self.side, width - self.column)


@dataclass(frozen=True)
class Verdict:
    """What is to be thought of a result; None stands for not known."""

    quality: float | None = None  # Dice to be expected
    quality_low: float | None = None  # and what nine of ten such results have
    familiarity: float | None = None  # share of familiar pictures that look as strange
    place: Place | None = None  # of the least familiar window


UNKNOWN = Verdict()


class Witness:
    """Collects the answers to a plan's tiles, in any order, each once; `verdict` sums them up.

    Args:
        scores: those of the model that answers; None: not fitted, so that nothing is known.
        plan: of the tiles.
        threshold: of the model, at which its scores were fitted: foreground is probability >= threshold.
        cut_at: the threshold of the mask, where that is another one.
    """

    def __init__(
        self, scores: FittedScores | None, plan: TilePlan, threshold: float, *, cut_at: float | None = None
    ) -> None:
        self.threshold = threshold
        self.cut_at = threshold if cut_at is None else cut_at
        self._scores = scores
        self._plan = plan
        self._surprise = -1.0
        self._parts: NDArray[np.float64] | None = None  # of the least familiar window
        self._place: Place | None = None
        self._only: tuple[NDArray[np.float64], ...] = ()

    def add(self, index: int, answer: Answer) -> None:
        """Look at the answer to the index-th tile."""
        if self._scores is None or not answer.features:
            return
        vectors, corners = window_features(answer)
        if not self.is_of_large_image:  # its one window has the numbers of the map, which come with the verdict
            self._only = vectors
            self._place = Place(0, 0)
            return
        parts = self._scores.strangeness.parts(vectors, _window_numbers(answer, corners, self.threshold))
        surprises = self._scores.surprises(parts)
        # Surprises have an end, at which the sum of what they come from decides.
        worst = int(np.lexsort((parts.sum(axis=1), surprises))[-1])
        if surprises[worst] > self._surprise:
            self._parts = parts[worst]
            row, column = self._plan.start(index)
            above, left = self._plan.row_padding[0], self._plan.column_padding[0]
            self._surprise = float(surprises[worst])
            self._place = Place(max(row + corners[worst][0] - above, 0), max(column + corners[worst][1] - left, 0))

    @property
    def is_of_large_image(self) -> bool:
        """Whether the image is larger than a window, so that a place in it says something."""
        return max(self._plan.height, self._plan.width) > _WINDOW_PX

    def verdict(self, counts: NDArray[np.int64]) -> Verdict:
        """Return what is to be thought of the result with this histogram of 8-bit probabilities."""
        if self._scores is None:
            return UNKNOWN
        if self._only:
            numbers = MapNumbers.of(counts, self.threshold)
            parts = self._scores.strangeness.parts(self._only, numbers.vector[None])
            self._parts, self._surprise = parts[0], float(self._scores.surprises(parts)[0])
        if self._parts is None:
            return UNKNOWN
        # How familiar a picture is depends on it and the model alone, how good a mask on where it was cut.
        windows = max(self._plan.height * self._plan.width / _WINDOW_PX**2, 1.0)
        quality = self._scores.quality(self._parts, MapNumbers.of(counts, self.cut_at), windows) or (None, None)
        familiarity = np.exp(-surprise_of_least_familiar(self._surprise, windows))
        return Verdict(quality[0], quality[1], float(familiarity), self._place)


def window_features(answer: Answer) -> tuple[tuple[NDArray[np.float64], ...], list[tuple[int, int]]]:
    """Return the vectors of each depth for each window of a tile, and the windows' corners in the tile."""
    rows, columns = (max(blocks - 1, 1) for blocks in answer.features[0].shape[1:])
    corners = [(row * POOLED_PX, column * POOLED_PX) for row in range(rows) for column in range(columns)]
    return tuple(window_vectors(depth) for depth in answer.features), corners


def _window_numbers(answer: Answer, corners: list[tuple[int, int]], threshold: float) -> NDArray[np.float64]:
    """Vectors of `MapNumbers`, (N, 4), of the windows with these corners."""
    windows = [answer.levels[row : row + _WINDOW_PX, column : column + _WINDOW_PX] for row, column in corners]
    return np.stack([MapNumbers.of(histogram(window), threshold).vector for window in windows])


def cut_out(image: NDArray[np.float32], place: Place) -> NDArray[np.float32]:
    """Return what an image H×W, as the network got it, has of a place; of several channels, C×H×W, their mean."""
    row, column, height, width = place.within(*image.shape[-2:])
    part = image[..., row : row + height, column : column + width]
    return part if part.ndim == 2 else part.mean(axis=0)
