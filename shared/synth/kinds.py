"""The kinds of noise, one declaration each: whatever draws, applies, names, plots or scores a kind reads it here.

| kind        | formula                                   | strength                           |
|-------------|-------------------------------------------|------------------------------------|
| gaussian    | x + N(0, σ²)                              | σ                                  |
| poisson     | Poisson(λ x) / λ                          | λ, expected photons at intensity 1 |
| speckle     | x · (1 + N(0, σ²))                        | σ                                  |
| salt_pepper | a share p of pixels, half to 0, half to 1 | p                                  |

A new kind is a `NoiseKind` in KINDS and its twin of the same name in `training.data.synthesis.noise`. It can be asked
for by name at once; a definition of the task draws it only if it lists it, so that no benchmark changes by it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class NoiseKind:
    """One elementary kind of noise.

    `apply(image, strength, rng)` gives a new float32 image (H, W) from one with intensities in [0, 1]; what leaves that
    range is clipped after the last kind of a mixture.
    """

    name: str  # in jobs, configs and results
    label: str  # for people
    quantity: str  # what the strength is, one word
    symbol: str  # of the strength, for people
    range: tuple[float, float]  # the strength at t = 0, and its change up to t = 1, where the noise is strongest
    is_logarithmic: bool = False  # whether the range is that of the strength's log10
    strata: tuple[float, ...]  # the strengths that evaluation scores it at, from the weakest noise to the strongest
    place: int  # in a mixture, whose kinds are applied in the order of these numbers
    apply: Callable[[Image, float, np.random.Generator], Image]

    @property
    def key(self) -> str:
        """Name of the range among the numbers of a definition, such as poisson_log10_photons."""
        return f"{self.name}_{'log10_' if self.is_logarithmic else ''}{self.quantity}"

    @property
    def is_falling(self) -> bool:
        """Whether a smaller strength is more noise, as of photons."""
        return self.range[1] < 0

    def strength_at(self, t: float) -> float:
        """Return the strength at `t` from 0, the weakest noise, to 1, the strongest."""
        start, change = self.range
        value = start + change * t
        return float(10**value) if self.is_logarithmic else value

    def t_of(self, strength: float) -> float:
        """Return the inverse of `strength_at`; below 0 and above 1 beyond the range."""
        start, change = self.range
        return ((math.log10(strength) if self.is_logarithmic else strength) - start) / change


def _gaussian(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    noisy = rng.standard_normal(image.shape, dtype=np.float32)
    noisy *= sigma
    noisy += image
    return noisy


def _speckle(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    noisy = rng.standard_normal(image.shape, dtype=np.float32)
    noisy *= sigma
    noisy += 1
    noisy *= image
    return noisy


def _poisson(image: Image, photons: float, rng: np.random.Generator) -> Image:
    # Most pixels share one intensity, the background's: one table of its distribution draws them all in half
    # the time that the general sampler takes.
    background = float(image.min())
    cumulative = _poisson_cdf(photons * background)
    noisy = np.searchsorted(cumulative, rng.random(image.size), side="right").astype(np.float32)
    noisy = noisy.reshape(image.shape)
    brighter = image > background
    noisy[brighter] = rng.poisson(photons * image[brighter])
    noisy /= photons
    return noisy


def _poisson_cdf(mean: float) -> NDArray[np.float64]:
    """Return P(count ≤ k) for k = 0, 1, … as far as double precision tells it from 1."""
    k = np.arange(1, int(mean + 12 * mean**0.5) + 30)
    probabilities = np.exp(-mean) * np.cumprod(np.concatenate(([1.0], mean / k)))
    cumulative: NDArray[np.float64] = np.cumsum(probabilities)
    return cumulative


def _salt_pepper(image: Image, share: float, rng: np.random.Generator) -> Image:
    u = rng.random(image.shape, dtype=np.float32)
    pepper = u < share / 2
    salt = (u >= share / 2) & (u < share)
    noisy = np.where(pepper, np.float32(0), image)
    noisy[salt] = 1
    return noisy


GAUSSIAN = NoiseKind(
    name="gaussian",
    label="Gaussian",
    quantity="sigma",
    symbol="σ",
    range=(0.02, 1.2),
    strata=(0.1, 0.3, 0.5, 0.8, 1.2, 1.8),
    place=30,
    apply=_gaussian,
)
POISSON = NoiseKind(
    name="poisson",
    label="Poisson (photon count)",
    quantity="photons",
    symbol="λ",
    range=(2.0, -2.5),
    is_logarithmic=True,
    strata=(10.0, 1.0, 0.3, 0.1),
    place=10,
    apply=_poisson,
)
SPECKLE = NoiseKind(
    name="speckle",
    label="Speckle",
    quantity="sigma",
    symbol="σ",
    range=(0.1, 1.9),
    strata=(0.5, 1.0, 2.0),
    place=20,
    apply=_speckle,
)
SALT_PEPPER = NoiseKind(
    name="salt_pepper",
    label="Salt and pepper",
    quantity="share",
    symbol="p",
    range=(0.01, 0.69),
    strata=(0.1, 0.3, 0.5, 0.7, 0.85),
    place=40,
    apply=_salt_pepper,
)

_DECLARED = (
    GAUSSIAN,
    POISSON,
    SPECKLE,
    SALT_PEPPER,
)

KINDS: dict[str, NoiseKind] = {kind.name: kind for kind in _DECLARED}
"""Every elementary kind by name."""

NOISE_LABELS: dict[str, str] = {
    "none": "None",
    **{kind.name: kind.label for kind in KINDS.values()},
    "mixed": "Mixed, several kinds",
}
"""What can be asked for by name, and what to call it before people."""
