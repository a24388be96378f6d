"""From which probability on a pixel is foreground."""

from typing import Final

from shared.errors import UsageError

# Maps are stored in 8 bits: beyond these all of a mask, or nothing of it, would be foreground.
LEAST_THRESHOLD: Final = 1 / 255
MOST_THRESHOLD: Final = 254 / 255

_GIVE = "give a number between 0 and 1, such as 0.4"


def is_threshold(value: float) -> bool:
    """Whether maps can be cut at `value`."""
    return LEAST_THRESHOLD <= value <= MOST_THRESHOLD  # NaN neither


def checked_threshold(threshold: float | None) -> float | None:
    """Return `threshold`, at which maps can be cut; None stands for the model's own.

    Raises:
        UsageError: it is out of range.
    """
    if threshold is not None and not is_threshold(threshold):
        raise UsageError(f"threshold is {threshold:g}: {_GIVE}")
    return threshold


def threshold_of(text: str) -> float:
    """Return the threshold that somebody wrote.

    Raises:
        UsageError: it is no number, or out of range.
    """
    try:
        threshold = float(text)
    except ValueError:
        raise UsageError(f"threshold is {text!r}: {_GIVE}") from None
    checked_threshold(threshold)
    return threshold
