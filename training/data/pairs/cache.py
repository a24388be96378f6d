"""Pairs in memory, prepared: what was read once is not read again, as far as there is room."""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from shared.images.pairs.foreground import Rule
from shared.images.pairs.layout import Pair
from shared.images.pairs.masks import Kind
from shared.images.preparation import prepare
from training.data.pairs.reading import read_pair

_POINTS = 512  # of the foreground that are remembered
_STREAM = 13


@dataclass(frozen=True, eq=False)
class Sample:
    """A pair as the network gets it."""

    image: NDArray[np.float32]  # H×W, or C×H×W, prepared as a whole, as the worker does
    mask: NDArray[np.bool_]  # H×W
    points: NDArray[np.int32]  # (N, 2): rows and columns of some of the foreground, evenly drawn

    @classmethod
    def of(cls, pair: Pair, rules: Mapping[Kind, Rule], channels: int) -> "Sample":
        """Read a pair, of its image so many channels; a grey image stands for each of them."""
        pixels, mask = read_pair(pair, rules, channels)
        places = np.flatnonzero(mask)
        if len(places) > _POINTS:
            places = np.random.default_rng(_STREAM).choice(places, _POINTS, replace=False)
        points = np.stack(np.unravel_index(places, mask.shape), axis=1).astype(np.int32)
        image = prepare(pixels).image
        if channels > 1 and image.ndim == 2:
            image = np.repeat(image[None], channels, axis=0)
        return cls(image, mask, points)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return self.image.nbytes + self.mask.nbytes + self.points.nbytes


class PairCache:
    """Samples by pair, kept until `max_bytes` are full; those that find no room are read each time. Safe in threads."""

    def __init__(self, rules: Mapping[Kind, Rule], max_bytes: int, channels: int) -> None:
        self._rules = rules
        self._channels = channels
        self._room = max_bytes
        self._kept: dict[Pair, Sample] = {}
        self._lock = Lock()

    def get(self, pair: Pair) -> Sample:
        """Return the sample of a pair.

        Raises:
            UsageError: a file has changed since it was looked at.
        """
        sample = self._kept.get(pair)
        if sample is None:
            sample = Sample.of(pair, self._rules, self._channels)
            with self._lock:
                # In any order the same ones are asked for again, each epoch: to drop old ones for new ones helps none.
                if pair not in self._kept and sample.size <= self._room:
                    self._kept[pair] = sample
                    self._room -= sample.size
        return sample
