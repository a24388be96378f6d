"""What may be asked to be done to masks; `shared.objects.processing` does it. Free of numpy, for command lines."""

from dataclasses import dataclass
from typing import Any, Self

from shared.errors import UsageError

MAX_SMOOTH = 20
"""Largest radius of smoothing, in pixels."""
MAX_MIN_AREA = 10**9


@dataclass(frozen=True)
class PostProcessing:
    """What is done to a mask; without arguments nothing is.

    Args:
        smooth: a pixel becomes what most pixels are in the square of 2 · `smooth` + 1 pixels a side around it, as far
            as that lies in the image; from 0 (off) to `MAX_SMOOTH`.
        fill_holes: background that an object encloses becomes part of it.
        min_area: objects of fewer pixels are dropped; 0 and 1 drop none.
        keep_largest: only the object of most pixels is kept, of equals the first.
    """

    smooth: int = 0
    fill_holes: bool = False
    min_area: int = 0
    keep_largest: bool = False

    def __post_init__(self) -> None:
        for name, value, most in (("smooth", self.smooth, MAX_SMOOTH), ("min-area", self.min_area, MAX_MIN_AREA)):
            if not 0 <= value <= most:
                raise UsageError(f"{name} is {value}: give a whole number of pixels from 0, which is off, to {most}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the inverse of `str`.

        Raises:
            UsageError: a word is none that this version knows.
        """
        found: dict[str, Any] = {}
        for word in text.split():
            name, _, value = word.partition("=")
            field = name.replace("-", "_")
            if field not in cls.__dataclass_fields__ or (value and not value.isdecimal()):
                raise UsageError(f"{word!r} is nothing that this version can do to a mask: update the worker")
            found[field] = int(value) if value else True
        return cls(**found)

    def __str__(self) -> str:
        words = (
            f"smooth={self.smooth}" if self.smooth else "",
            "fill-holes" if self.fill_holes else "",
            f"min-area={self.min_area}" if self.min_area > 1 else "",
            "keep-largest" if self.keep_largest else "",
        )
        return " ".join(filter(None, words))

    def __bool__(self) -> bool:
        return bool(str(self))


NO_PROCESSING = PostProcessing()
"""Leaves masks as they are."""
