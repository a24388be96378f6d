"""The noise of one image, sampled apart from being applied: one elementary kind, or a mixture of several."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.errors import UsageError
from shared.synth.definition import Definition
from shared.synth.kinds import KINDS, NOISE_LABELS


@dataclass(frozen=True)
class NoiseStep:
    """One elementary kind, a name of KINDS, at one strength in its own unit."""

    kind: str
    strength: float


@dataclass(frozen=True)
class NoiseParameters:
    """The noise of one image: its kind, and the elementary steps in the order in which they are applied."""

    kind: str
    steps: tuple[NoiseStep, ...] = ()

    @classmethod
    def single(cls, kind: str, strength: float) -> Self:
        """Return one elementary kind at a chosen strength."""
        return cls(kind, (NoiseStep(kind, strength),))

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as plain JSON types."""
        return {"kind": self.kind, "steps": [[step.kind, step.strength] for step in self.steps]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the inverse of `to_dict`."""
        return cls(str(data["kind"]), tuple(NoiseStep(str(k), float(v)) for k, v in data["steps"]))


def sample_noise(
    rng: np.random.Generator,
    severity: float,
    definition: Definition,
    *,
    kind: str | None = None,
    mixed_prob: float | None = None,
) -> NoiseParameters:
    """Draw the noise of one image at `severity` in [0, 1].

    Args:
        rng: where all draws come from.
        severity: scales the strengths.
        definition: which kinds are drawn, how often they are mixed, and their strengths.
        kind: a name of NOISE_LABELS. Without it the noise is mixed with probability `mixed_prob`, else one of the
            definition's kinds uniformly.
        mixed_prob: in place of the definition's.

    Raises:
        UsageError: there is no such kind, or the severity is out of its range.
    """
    check_noise_request(severity, kind)
    if kind is None:
        is_mixed = rng.random() < (definition.mixed_prob if mixed_prob is None else mixed_prob)
        kind = "mixed" if is_mixed else str(rng.choice([each.name for each in definition.kinds]))
    if kind == "none":
        return NoiseParameters("none")
    elements: tuple[str, ...] = (kind,)
    if kind == "mixed":
        order = definition.mixed_order
        count = int(rng.integers(*definition.mixed_kinds, endpoint=True))
        elements = tuple(order[i] for i in sorted(rng.choice(len(order), size=count, replace=False)))
    steps = tuple(NoiseStep(k, definition.kind(k).strength_at(severity * rng.random())) for k in elements)
    return NoiseParameters(kind, steps)


def check_noise_request(severity: float, kind: str | None) -> None:
    """Refuse what makes no noise.

    Raises:
        UsageError: there is no such kind, or the severity is not within [0, 1].
    """
    if kind is not None and kind not in NOISE_LABELS:
        raise UsageError(f"there is no noise kind {kind!r}: use one of {', '.join(NOISE_LABELS)}")
    if not 0.0 <= severity <= 1.0:
        raise UsageError(f"the noise severity is {severity:g}: use a number from 0 to 1")


def apply_noise(clean: NDArray[np.float32], parameters: NoiseParameters, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add the noise to a clean image (intensities in [0, 1]), clip to [0, 1] and quantise to 8 bits."""
    image = clean
    for step in parameters.steps:
        image = KINDS[step.kind].apply(image, step.strength, rng)
    levels = np.clip(image, 0.0, 1.0)
    levels *= 255
    return np.rint(levels, out=levels).astype(np.uint8)


def snr_db(clean: NDArray[np.float32], image: NDArray[np.uint8]) -> float:
    """Return 20 log10(peak contrast / RMS(image − clean)) in dB; infinite where the two are equal.

    The peak contrast is the clean image's range: how far the brightest dot stands over the background.
    """
    difference = image.astype(np.float64) / 255 - clean
    rms = float(np.sqrt(np.mean(difference**2)))
    peak = float(clean.max() - clean.min())
    return float("inf") if rms == 0 else 20 * float(np.log10(peak / rms))
