"""By what images may be resampled for the network (`shared.images.resample` does it)."""

from shared.errors import UsageError

SMALLEST_SCALE, LARGEST_SCALE = 0.1, 4.0


def checked_scale(scale: float) -> float:
    """Return `scale`, or raise UsageError where no image is resampled by it."""
    if not SMALLEST_SCALE <= scale <= LARGEST_SCALE:  # NaN neither
        raise UsageError(
            f"scale is {scale:g}: give {SMALLEST_SCALE:g} to {LARGEST_SCALE:g}, 1 to leave images as they are"
        )
    return scale
