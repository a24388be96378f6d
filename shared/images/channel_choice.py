"""Which channel of a picture is segmented, where somebody has chosen: one of them as stored, or a mix of all.

A model of several channels gets all of them apart: that is asked for by `planes_word`, which nobody writes.
"""

from typing import Final

from shared.errors import UsageError

AUTO: Final = "auto"
"""What shows most: the light, or the one channel in which there is anything; a note says which."""
LUMA: Final = "luma"
MEAN: Final = "mean"
MAX: Final = "max"
COLOURS: Final = ("red", "green", "blue")
CHANNEL_WORDS: Final = (AUTO, LUMA, MEAN, MAX, *COLOURS)
MAX_CHANNEL: Final = 64

CHANNEL_PATTERN: Final = rf"^({'|'.join(CHANNEL_WORDS)}|[1-9][0-9]?)$"
"""What is written for a choice; `channel_of` also looks at the number's range."""

_PLANES: Final = "planes"
MAX_PLANES: Final = 16
"""The most channels that are given apart."""

_GIVE = f"give a number from 1, or one of {', '.join(CHANNEL_WORDS)}"


def channel_of(text: str) -> str:
    """Return the choice that somebody wrote: a word of CHANNEL_WORDS, or the number of a channel, from 1.

    Raises:
        UsageError: it is neither.
    """
    word = text.strip().lower()
    if word in CHANNEL_WORDS:
        return word
    if word.isascii() and word.isdigit() and 1 <= int(word[:4]) <= MAX_CHANNEL and len(word) <= 4:
        return str(int(word))
    raise UsageError(f"channel is {text!r}: {_GIVE}")


def planes_word(count: int) -> str:
    """Return the choice of all channels of a picture apart, so many of them."""
    return f"{_PLANES}{count}"


def planes_of(choice: str) -> int:
    """Return how many channels apart a choice asks for; 0 where it is one of a single channel."""
    return int(choice.removeprefix(_PLANES)) if choice.startswith(_PLANES) else 0
