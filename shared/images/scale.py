"""By what images may be resampled for the network (`shared.images.resample` does it)."""

import re
from typing import Final

from shared.errors import UsageError

MIN_SCALE, MAX_SCALE = 0.1, 4.0
AUTO_SCALE = 0.0
"""Stands for the scale that the spacing of an image's own dots asks for (`worker.spacing`)."""
AUTO_WORD: Final = "auto"

_GIVE = f"give {MIN_SCALE:g} to {MAX_SCALE:g}, 1 to leave images as they are, or {AUTO_WORD}"
_WORKING_SIDE = 288  # px; shapes of a picture whose shortest side is this are as large as the network knows them
_MAX_WORKING_SIDE = 1024  # px; the longest side of what was enlarged
_STEPS = 4  # to a whole number
_TOLD_SCALE = re.compile(r", scale ([\d.]+)(?=,|$)")


def checked_scale(scale: float) -> float:
    """Return `scale`, by which an image can be resampled, or `AUTO_SCALE`.

    Raises:
        UsageError: it is out of range.
    """
    if scale != AUTO_SCALE and not MIN_SCALE <= scale <= MAX_SCALE:  # NaN neither
        raise UsageError(f"scale is {scale:g}: {_GIVE}")
    return scale


def scale_of(text: str) -> float:
    """Return the scale that somebody wrote: a number, or "auto".

    Raises:
        UsageError: it is neither, or out of range.
    """
    word = text.strip().lower()
    if word == AUTO_WORD:
        return AUTO_SCALE
    try:
        scale = float(word)
    except ValueError:
        raise UsageError(f"scale is {text!r}: {_GIVE}") from None
    return checked_scale(scale if scale != AUTO_SCALE else -1.0)


def scale_text(scale: float) -> str:
    """Return the inverse of `scale_of`."""
    return AUTO_WORD if scale == AUTO_SCALE else f"{scale:g}"


def network_scale(shape: tuple[int, int], asked: float) -> float:
    """Return by how much an image (height, width) is resampled: as a job asks, or, asked for 1, as its size needs."""
    return working_scale(*shape) if asked == 1.0 else asked


def working_scale(height: int, width: int) -> float:
    """By how much a small picture is enlarged for the network: 1, 1.25, … 4.

    The shapes and gaps of a small picture are small too. 64 px become 256, 128 px become 288, 231 px and more stay.
    """
    scale = min(_WORKING_SIDE / min(height, width), _MAX_WORKING_SIDE / max(height, width), MAX_SCALE)
    return max(int(scale * _STEPS) / _STEPS, 1.0)


def with_scale(preparation: str, scale: float) -> str:
    """Return what stands with a result as its preprocessing: how it was prepared, and by what it was resampled."""
    return preparation if scale == 1.0 else f"{preparation}, scale {scale:g}"


def scale_in(preprocessing: str | None) -> float:
    """Return by what a result's image was resampled for the network, to six digits: what `with_scale` said there."""
    told = _TOLD_SCALE.search(preprocessing or "")
    return float(told[1]) if told else 1.0
