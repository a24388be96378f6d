"""The benchmark's noise: four elementary kinds and their mixtures, sampled apart from being applied.

| kind        | formula                                  | strength                              |
|-------------|------------------------------------------|---------------------------------------|
| gaussian    | x + N(0, σ²)                             | σ                                     |
| poisson     | Poisson(λ x) / λ                         | λ, expected photons at intensity 1    |
| speckle     | x · (1 + N(0, σ²))                       | σ                                     |
| salt_pepper | a share p of pixels, half to 0, half to 1 | p                                     |
| mixed       | two or three of these, in a fixed order  | one of each                           |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.errors import UsageError
from shared.synth.definition import DOTBLOB_V1

ELEMENTARY_KINDS = ("gaussian", "poisson", "speckle", "salt_pepper")
NOISE_KINDS = ("none", *ELEMENTARY_KINDS, "mixed")
"""Every name that `sample_noise` and `synthesise` accept."""


@dataclass(frozen=True)
class NoiseStep:
    """One elementary kind at one strength (σ, λ, σ or p by kind)."""

    kind: str
    strength: float


@dataclass(frozen=True)
class NoiseParameters:
    """The noise of one image: its kind, and the elementary steps in the order in which they are applied."""

    kind: str
    steps: tuple[NoiseStep, ...] = ()

    @classmethod
    def single(cls, kind: str, strength: float) -> Self:
        """One elementary kind at a chosen strength."""
        return cls(kind, (NoiseStep(kind, strength),))

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {"kind": self.kind, "steps": [[step.kind, step.strength] for step in self.steps]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`."""
        return cls(str(data["kind"]), tuple(NoiseStep(str(k), float(v)) for k, v in data["steps"]))


def strength_at(kind: str, t: float) -> float:
    """The elementary kind's strength (σ, λ, σ or p) at t from 0, the weakest noise, to 1, the strongest."""
    d = DOTBLOB_V1
    if kind == "poisson":
        return float(10 ** (d.poisson_log10_photons[0] + d.poisson_log10_photons[1] * t))
    start, change = {
        "gaussian": d.gaussian_sigma,
        "speckle": d.speckle_sigma,
        "salt_pepper": d.salt_pepper_share,
    }[kind]
    return start + change * t


def sample_noise(
    rng: np.random.Generator,
    severity: float,
    mixed_prob: float = DOTBLOB_V1.mixed_prob,
    kind: str | None = None,
) -> NoiseParameters:
    """Draw the noise of one image at `severity` in [0, 1].

    Without `kind` it is mixed with probability `mixed_prob`, else one elementary kind uniformly. Raises
    `UsageError` for a kind that is not in NOISE_KINDS or a severity outside [0, 1].
    """
    if kind is not None and kind not in NOISE_KINDS:
        raise UsageError(f"there is no noise kind {kind!r}: use one of {', '.join(NOISE_KINDS)}")
    if not 0.0 <= severity <= 1.0:
        raise UsageError(f"the noise severity is {severity:g}: use a number from 0 to 1")
    if kind is None:
        kind = "mixed" if rng.random() < mixed_prob else str(rng.choice(ELEMENTARY_KINDS))
    if kind == "none":
        return NoiseParameters("none")
    elements: tuple[str, ...] = (kind,)
    if kind == "mixed":
        order = DOTBLOB_V1.mixed_order
        count = int(rng.integers(*DOTBLOB_V1.mixed_kinds, endpoint=True))
        elements = tuple(order[i] for i in sorted(rng.choice(len(order), size=count, replace=False)))
    steps = tuple(NoiseStep(k, strength_at(k, severity * rng.random())) for k in elements)
    return NoiseParameters(kind, steps)


def apply_noise(clean: NDArray[np.float32], parameters: NoiseParameters, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add the noise to a clean image (intensities in [0, 1]), clip to [0, 1] and quantise to 8 bits."""
    image = clean
    for step in parameters.steps:
        image = _STEPS[step.kind](image, step.strength, rng)
    levels = np.clip(image, 0.0, 1.0)
    levels *= 255
    return np.rint(levels, out=levels).astype(np.uint8)


def snr_db(clean: NDArray[np.float32], image: NDArray[np.uint8]) -> float:
    """20 log10(peak contrast / RMS(image − clean)) in dB; infinite where the two are equal.

    The peak contrast is the clean image's range: how far the brightest dot stands over the background.
    """
    difference = image.astype(np.float64) / 255 - clean
    rms = float(np.sqrt(np.mean(difference**2)))
    peak = float(clean.max() - clean.min())
    return float("inf") if rms == 0 else 20 * float(np.log10(peak / rms))


def _gaussian(image: NDArray[np.float32], sigma: float, rng: np.random.Generator) -> NDArray[np.float32]:
    noisy = rng.standard_normal(image.shape, dtype=np.float32)
    noisy *= sigma
    noisy += image
    return noisy


def _speckle(image: NDArray[np.float32], sigma: float, rng: np.random.Generator) -> NDArray[np.float32]:
    noisy = rng.standard_normal(image.shape, dtype=np.float32)
    noisy *= sigma
    noisy += 1
    noisy *= image
    return noisy


def _poisson(image: NDArray[np.float32], photons: float, rng: np.random.Generator) -> NDArray[np.float32]:
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
    """P(count ≤ k) for k = 0, 1, … as far as double precision tells it from 1."""
    k = np.arange(1, int(mean + 12 * mean**0.5) + 30)
    probabilities = np.exp(-mean) * np.cumprod(np.concatenate(([1.0], mean / k)))
    cumulative: NDArray[np.float64] = np.cumsum(probabilities)
    return cumulative


def _salt_pepper(image: NDArray[np.float32], share: float, rng: np.random.Generator) -> NDArray[np.float32]:
    u = rng.random(image.shape, dtype=np.float32)
    pepper = u < share / 2
    salt = (u >= share / 2) & (u < share)
    noisy = np.where(pepper, np.float32(0), image)
    noisy[salt] = 1
    return noisy


_STEPS = {"gaussian": _gaussian, "poisson": _poisson, "speckle": _speckle, "salt_pepper": _salt_pepper}
