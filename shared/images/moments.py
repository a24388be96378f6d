"""`shared.images.normalise.standardise` for images too large to be held: measured by bands, applied by windows."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of an image's pixels; of a constant image the deviation is 0."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, bands: Iterable[NDArray[Any]]) -> Self:
        """Measure an image that comes in one or more bands of rows.

        Each band is measured around its own mean and merged with those before it (Chan, Golub and LeVeque 1983), so
        that neither a large offset nor the number of pixels costs digits.
        """
        count, mean, squares = 0, 0.0, 0.0
        low, high = np.inf, -np.inf
        for band in bands:
            centred = band.astype(np.float64)
            own_mean = float(centred.mean())
            centred -= own_mean
            flat = centred.ravel()
            apart, total = own_mean - mean, count + flat.size
            # Unlike vdot, einsum wakes no threads.
            squares += float(np.einsum("i,i->", flat, flat)) + apart**2 * count * flat.size / total
            mean += apart * flat.size / total
            count = total
            low, high = min(low, float(band.min())), max(high, float(band.max()))
        # Rounding can leave a tiny variance on a constant image.
        return cls(mean, sqrt(squares / count) if low < high else 0.0)

    def standardise(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """A part of the image as it is in the standardised whole, up to rounding."""
        if not self.deviation:
            return np.zeros_like(window)
        centred: NDArray[np.float64] = window.astype(np.float64)
        centred -= self.mean
        centred /= self.deviation
        return centred.astype(np.float32)
