"""By what images may be resampled for the network (`shared.images.resample` does it)."""

from shared.errors import UsageError

MIN_SCALE, MAX_SCALE = 0.1, 4.0

_WORKING_SIDE = 288  # px; shapes of a picture whose shortest side is this are as large as the network knows them
_MAX_WORKING_SIDE = 1024  # px; the longest side of what was enlarged
_STEPS = 4  # to a whole number


def checked_scale(scale: float) -> float:
    """Return `scale`, by which an image can be resampled.

    Raises:
        UsageError: it is out of range.
    """
    if not MIN_SCALE <= scale <= MAX_SCALE:  # NaN neither
        raise UsageError(f"scale is {scale:g}: give {MIN_SCALE:g} to {MAX_SCALE:g}, 1 to leave images as they are")
    return scale


def working_scale(height: int, width: int) -> float:
    """By how much a small picture is enlarged for the network: 1, 1.25, … 4.

    The shapes and gaps of a small picture are small too. 64 px become 256, 128 px become 288, 231 px and more stay.
    """
    scale = min(_WORKING_SIDE / min(height, width), _MAX_WORKING_SIDE / max(height, width), MAX_SCALE)
    return max(int(scale * _STEPS) / _STEPS, 1.0)
