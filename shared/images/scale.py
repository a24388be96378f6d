"""By what images may be resampled for the network (`shared.images.resample` does it)."""

from shared.errors import UsageError

MIN_SCALE, MAX_SCALE = 0.1, 4.0


def checked_scale(scale: float) -> float:
    """Return `scale`, by which an image can be resampled.

    Raises:
        UsageError: it is out of range.
    """
    if not MIN_SCALE <= scale <= MAX_SCALE:  # NaN neither
        raise UsageError(f"scale is {scale:g}: give {MIN_SCALE:g} to {MAX_SCALE:g}, 1 to leave images as they are")
    return scale
