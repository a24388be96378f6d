"""How large the dots of a picture are, and how far apart: what says that another scale would help.

Dots are looked for at several sizes, by differences of Gaussians (Lowe 2004): the size at which the strongest answer is
strongest is theirs. It is their spacing, not their radius, that a scale is chosen by.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.images.ground import Source
from shared.images.normalise import standardise
from shared.images.scale import AUTO_SCALE, MAX_SCALE, MIN_SCALE
from shared.net.intake import Intake

SIGMAS = (1.0, 2.0, 4.0, 8.0, 16.0)  # px
USUAL_SPACING = 20.0  # px between dots, in the middle of what the model knows
MIN_COARSE_SIGMA, MIN_COARSE_SPACING = 8.0, 52.0  # px: larger and further apart than it knows
MIN_FINE_SPACING, MAX_FINE_SPACING = 3.0, 8.0  # px: closer together
_MIN_COARSE_DOTS, _MIN_FINE_DOTS = 4, 15  # that say so
_MIN_SKEWNESS = 1.0  # of a picture of few light dots on dark ground
_STEPS = (1, 2, 4, 4, 4)  # px; nothing of a blurred picture is lost by looking at every so many pixels
_SAMPLE = 2**16  # values, beyond which every fourth says enough
_RATIO = 1.6  # of the two Gaussians
_STRONGEST = 5e-4  # share of the pixels that tells how strong a size answers: those of a few dots
_MIN_SHARE = 0.35  # of the strongest answer, that a dot has
_MIN_NOISE = 6.0  # deviations of the ground, likewise
_MAX_DOTS = 400


@dataclass(frozen=True)
class Dots:
    """The dots that stand out in a picture."""

    sigma: float  # px, of the size at which they do: about 0.7 of their radius
    count: int
    spacing: float  # px, median distance of a dot to the nearest; infinite for fewer than two
    strength: float = 0.0  # of their answer, in standard deviations of the picture

    @property
    def are_coarse(self) -> bool:
        """Whether they are larger and further apart than those that the model knows: a picture that was enlarged."""
        is_coarse = self.sigma >= MIN_COARSE_SIGMA and MIN_COARSE_SPACING <= self.spacing < float("inf")
        return is_coarse and self.count >= _MIN_COARSE_DOTS

    @property
    def are_fine(self) -> bool:
        """Whether they are smaller and closer together: a picture that was shrunk."""
        is_fine = self.sigma == SIGMAS[0] and MIN_FINE_SPACING <= self.spacing <= MAX_FINE_SPACING
        return is_fine and self.count >= _MIN_FINE_DOTS

    @property
    def scale(self) -> float:
        """By what such a picture is best resampled, a power of two: 1 where the spacing is one that the model knows."""
        if not (self.are_coarse or self.are_fine):
            return 1.0
        power = round(np.log2(USUAL_SPACING / self.spacing))
        return float(np.clip(2.0**power, MIN_SCALE, MAX_SCALE))


_NO_DOTS = Dots(SIGMAS[0], 0, float("inf"))
_WINDOW = 1024  # px; a side of what is looked at of a larger picture


def own_scale(source: Source) -> float:
    """Return the scale that the spacing of a picture's dots asks for, by the part of it where they stand out most.

    Args:
        source: H×W, light dots on dark ground, in any units.
    """
    looks = [dots_of(standardise(window)) for window in _windows(source)]
    return max(looks, key=lambda dots: dots.strength).scale


def used_scale(source: Source, asked: float, intake: Intake) -> float:
    """Return by how much an image is resampled for a network that takes this, where its job asks for `asked`."""
    scale = own_scale(source) if asked == AUTO_SCALE else asked
    return intake.scale((source.height, source.width), scale)


def dots_of(pixels: NDArray[np.float32]) -> Dots:
    """Return the dots of a standardised picture H×W, none where it is not one of few light dots on dark ground."""
    is_skewed = float(np.vdot(pixels * pixels, pixels)) >= _MIN_SKEWNESS * pixels.size
    return measure_dots(pixels) if is_skewed else _NO_DOTS


def _windows(source: Source) -> Iterator[NDArray[Any]]:
    """Up to nine windows, evenly spread; all of a picture that is no larger than one."""
    rows, columns = (
        np.unique(np.linspace(0, max(side - _WINDOW, 0), 3).astype(int)) for side in (source.height, source.width)
    )
    for row in rows:
        for column in columns:
            size = min(_WINDOW, source.height - row), min(_WINDOW, source.width - column)
            yield _without_holes(source.window(int(row), int(column), *size))


def _without_holes(window: NDArray[Any]) -> NDArray[Any]:
    """Ground in place of pixels without data; of several channels their mean."""
    window = window if window.ndim == 2 else window.mean(axis=0, dtype=np.float32)
    if window.dtype.kind != "f" or not (missing := np.isnan(window)).any():
        return window
    known = window[~missing]
    return np.where(missing, np.median(known) if known.size else np.float32(0), window)


def measure_dots(pixels: NDArray[np.float32]) -> Dots:
    """Find the dots of a picture H×W, light on dark. It takes some 7 ms at 512×512."""
    answers = _differences(pixels)
    strengths = [_strength(answer) for answer in answers]
    best = int(np.argmax(strengths))
    step = _STEPS[best]
    places = _peaks(answers[best], 2 * SIGMAS[best] / step) * step
    if len(places) < 2:
        return Dots(SIGMAS[best], len(places), float("inf"), strengths[best])
    distances = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    np.fill_diagonal(distances, np.inf)
    return Dots(SIGMAS[best], len(places), float(np.median(distances.min(1))), strengths[best])


def _differences(pixels: NDArray[np.float32]) -> list[NDArray[Any]]:
    """For each of SIGMAS the picture blurred by it, less that blurred by more, at every `_STEPS`-th pixel."""
    spectrum = np.fft.rfft2(pixels)
    answers = []
    for step, bands in zip(_STEPS, _filters(pixels.shape), strict=True):
        height, width = (-(-side // step) for side in pixels.shape)
        answers.append(np.fft.irfft2(_low(spectrum, height, width) * bands, (height, width)))
    return answers


@lru_cache(maxsize=2)
def _filters(shape: tuple[int, int]) -> tuple[NDArray[np.float32], ...]:
    """What each size lets through of the spectrum of a picture of this shape, as far as `_low` keeps it."""
    down, right = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    decay = -2 * np.pi**2 * (down**2 + right**2)
    passed = [np.exp(decay * sigma**2) - np.exp(decay * (_RATIO * sigma) ** 2) for sigma in SIGMAS]
    kept = [
        _low(each, *(-(-side // step) for side in shape)) / step**2 for step, each in zip(_STEPS, passed, strict=True)
    ]
    return tuple(each.astype(np.float32) for each in kept)


def _low(spectrum: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """The lowest frequencies of a spectrum, as a picture of height × width px has."""
    below = height // 2
    rows = np.concatenate([spectrum[: height - below], spectrum[len(spectrum) - below :]])
    low: NDArray[Any] = rows[:, : width // 2 + 1]
    return low


def _strength(answer: NDArray[Any]) -> float:
    """How much more strongly light spots answer than dark ones: of noise, both do alike."""
    sample = answer.ravel() if answer.size <= _SAMPLE else answer[::2, ::2].ravel()
    beyond = max(round(_STRONGEST * sample.size), 1)
    ordered = np.partition(sample, [beyond, sample.size - 1 - beyond])
    return float(ordered[beyond] + ordered[sample.size - 1 - beyond])


def _peaks(answer: NDArray[Any], apart: float) -> NDArray[np.float64]:
    """Places (N, 2) where an answer is highest within this distance, and stands out."""
    sample = answer[::4, ::4] if answer.size > _SAMPLE else answer
    noise = 1.4826 * float(np.median(np.abs(sample - np.median(sample))))
    least = max(_MIN_SHARE * float(answer.max()), _MIN_NOISE * noise)
    inner = answer[1:-1, 1:-1]
    is_peak = inner > least
    for row, column in ((0, 1), (2, 1), (1, 0), (1, 2)):
        is_peak &= inner >= answer[row : row + inner.shape[0], column : column + inner.shape[1]]
    found = np.argwhere(is_peak) + 1.0
    order = np.argsort(-inner[is_peak])[:_MAX_DOTS]
    kept = np.empty((0, 2))
    for place in found[order]:
        if not len(kept) or np.hypot(*(kept - place).T).min() > apart:
            kept = np.vstack([kept, place])
    return kept
