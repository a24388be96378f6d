"""Where the picture that was drawn of a point table lies in the table: what turns its pixels into the table's units.

It stands with each item in `described`, under the names of DESCRIBED: it comes back in results.csv and the API, and an
export of outlines reads it from there.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from shared.errors import UsageError

DESCRIBED = ("points", "point_pixel", "point_left", "point_top", "point_unit")
_MOST_STEPS = 2.0**48  # pixels from 0 to the picture: beyond that a coordinate tells no quarter of a pixel


@dataclass(frozen=True)
class PointFrame:
    """The place of a picture in a table: column c covers x from `left` + c·`pixel` to `left` + (c + 1)·`pixel`.

    Rows go on in the direction in which y grows.

    Args:
        points: how many were drawn.
        pixel: side of a pixel, in the table's units, above 0.
        left: x of the picture's left edge, in these units.
        top: y of its upper edge.
        unit: what the table counts in; "" where nobody said.
    """

    points: int
    pixel: float
    left: float
    top: float
    unit: str = ""

    def __post_init__(self) -> None:
        """Refuse what no coordinate can be told by.

        Raises:
            UsageError: the pixel is not above 0, something is not finite, or too far from 0 for its pixels.
        """
        sides = (self.pixel, self.left, self.top)
        if not all(map(math.isfinite, sides)) or self.pixel <= 0 or self.points < 0:
            raise UsageError("a picture of points needs a pixel above 0, and finite edges")
        if max(abs(self.left), abs(self.top)) > self.pixel * _MOST_STEPS:
            raise UsageError("x and y are too far from 0 for their spacing: take away what all of them have in common")

    def at(self, column: float, row: float) -> tuple[float, float]:
        """Return the place in the table of a place in the picture, both from the upper left corner."""
        return self.left + column * self.pixel, self.top + row * self.pixel

    def column_and_row(self, x: float, y: float) -> tuple[float, float]:
        """Return the inverse of `at`, up to rounding far below a pixel."""
        return (x - self.left) / self.pixel, (y - self.top) / self.pixel

    def described(self) -> dict[str, str]:
        """Return it as it stands with an item, exact to the last bit."""
        values = str(self.points), repr(self.pixel), repr(self.left), repr(self.top), self.unit
        return dict(zip(DESCRIBED, values, strict=True))

    @classmethod
    def of_described(cls, described: Mapping[str, Any] | None) -> Self | None:
        """Return what stands with an item; None where that was drawn of no point table."""
        try:
            points, pixel, left, top, unit = (str((described or {})[name]) for name in DESCRIBED)
            return cls(int(points), float(pixel), float(left), float(top), unit)
        except (KeyError, ValueError, UsageError):
            return None
