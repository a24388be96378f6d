"""How large a pixel is, in micrometres: said by a person, or read from a file."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from shared.errors import UsageError

MICROMETRES = {
    "pm": 1e-6, "nm": 1e-3, "um": 1.0, "mm": 1e3, "cm": 1e4, "dm": 1e5, "m": 1e6, "km": 1e9,
    "å": 1e-4, "in": 25400.0, "inch": 25400.0,
    "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0, "nanometer": 1e-3, "millimeter": 1e3,
    "meter": 1e6, "centimeter": 1e4,
}  # fmt: skip
"""Length of each unit that is known, in µm."""

_RANGE = 1e-7, 1e12  # µm: far below an atom, a thousand kilometres
_SAID = re.compile(r"\s*([0-9.eE+-]+)\s*(?:[x×,]\s*([0-9.eE+-]+)\s*)?([^\d\s.+-]+)\s*")


@dataclass(frozen=True)
class PixelSize:
    """Width and height of a pixel in µm, both finite and above 0."""

    x: float
    y: float

    def __post_init__(self) -> None:
        for side in (self.x, self.y):
            if not _RANGE[0] <= side <= _RANGE[1]:  # NaN is refused too
                raise UsageError(f"no pixel is {side:g} µm large: give a size such as 0.65um")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a person said: "0.65um", "0.5 x 0.6 µm", "325nm".

        Raises:
            UsageError: a number that is not above 0, or a unit that is not known or missing.
        """
        found = _SAID.fullmatch(text)
        unit = None if found is None else micrometres(found[3])
        try:
            if found is None or unit is None:
                raise ValueError
            x, y = float(found[1]), float(found[2] or found[1])
        except ValueError:
            raise UsageError(f"{text!r} is no pixel size: give a number and nm, um or mm, as in 0.65um") from None
        return cls(x * unit, y * unit)

    @classmethod
    def of_described(cls, described: Mapping[str, Any] | None) -> Self | None:
        """Read the column `pixel_size`, in any case, of what is said of an image; None without one, or an empty one.

        Raises:
            UsageError: as `parse`.
        """
        said = next((str(value) for name, value in (described or {}).items() if name.lower() == "pixel_size"), "")
        return cls.parse(said) if said else None

    @property
    def area(self) -> float:
        """Return µm² of a pixel."""
        return self.x * self.y

    @property
    def diagonal(self) -> float:
        """Return the distance of the centres of two pixels that touch at a corner, in µm."""
        return math.hypot(self.x, self.y)

    @property
    def exact(self) -> str:
        """Return it as `parse` reads it again to the last bit: "0.65um", "0.5x0.6um"."""
        return f"{self.x!r}um" if self.x == self.y else f"{self.x!r}x{self.y!r}um"

    def __str__(self) -> str:
        return f"{self.x:g} µm" if self.x == self.y else f"{self.x:g} × {self.y:g} µm"


def micrometres(unit: str) -> float | None:
    """Return the length of a unit as files and people write it, in µm; None for one that is not known."""
    # The micro sign, the Greek letter, and how ImageJ writes it in ASCII.
    word = unit.strip().replace("\\u00B5", "u").replace("\\u00b5", "u").replace("µ", "u").replace("μ", "u")
    return MICROMETRES.get(word.lower() if word not in ("M", "Mm", "MM") else "")
