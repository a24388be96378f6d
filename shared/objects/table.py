"""What is measured of each object, declared once: names, words, units and digits of its columns.

The columns never depend on the data: those in µm are empty where no pixel size is known, those of probabilities where
there is no map.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.objects.objects import Objects
from shared.pixel_size import PixelSize

Value = int | float | bool | None


@dataclass(frozen=True)
class ObjectColumn:
    """How a measurement of objects is called, explained and written."""

    label: str
    explanation: str
    digits: int | None = None  # after the point in a table; None: a whole number, or yes and no
    unit: str = ""

    @property
    def needs_pixel_size(self) -> bool:
        """Whether it has values only where the size of a pixel is known."""
        return "µm" in self.unit


OBJECT_COLUMNS: Mapping[str, ObjectColumn] = {
    "object": ObjectColumn("Object", "its number, from 1, in the order of first pixels, row by row"),
    "area_px": ObjectColumn("Area", "number of pixels, without holes", unit="px²"),
    "perimeter_px": ObjectColumn("Perimeter", "length of all outlines, also of holes (Crofton, 4 directions)", 2, "px"),
    "x_px": ObjectColumn("Centroid x", "from the centre of the leftmost pixel", 2, "px"),
    "y_px": ObjectColumn("Centroid y", "from the centre of the topmost pixel", 2, "px"),
    "left": ObjectColumn("Left", "first column of its box", unit="px"),
    "top": ObjectColumn("Top", "first row of its box", unit="px"),
    "width": ObjectColumn("Width", "columns of its box", unit="px"),
    "height": ObjectColumn("Height", "rows of its box", unit="px"),
    "major_px": ObjectColumn("Major axis", "full axis of the ellipse with the same second moments", 2, "px"),
    "minor_px": ObjectColumn("Minor axis", "full axis of the same ellipse", 2, "px"),
    "eccentricity": ObjectColumn("Eccentricity", "of the same ellipse: 0 a circle, towards 1 a line", 4),
    "solidity": ObjectColumn("Solidity", "area / area of its convex hull", 4),
    "holes": ObjectColumn("Holes", "parts of the background that it encloses"),
    "touches_border": ObjectColumn("Touches the border", "whether it has a pixel at the image's edge, so may go on"),
    "mean_probability": ObjectColumn("Mean probability", "over its pixels", 4),
    "confidence": ObjectColumn("Confidence", "2 Σp over it / (Σp up to 3 px around it + its pixels)", 4),
    "area_um2": ObjectColumn("Area", "with holes left out", 4, "µm²"),
    "perimeter_um": ObjectColumn("Perimeter", "as in pixels", 4, "µm"),
    "x_um": ObjectColumn("Centroid x", "as in pixels", 4, "µm"),
    "y_um": ObjectColumn("Centroid y", "as in pixels", 4, "µm"),
    "major_um": ObjectColumn("Major axis", "as in pixels", 4, "µm"),
    "minor_um": ObjectColumn("Minor axis", "as in pixels", 4, "µm"),
}
"""The declarations by the name of their column, in the order of every table of objects."""


def measured(
    objects: Objects, bands: Iterable[NDArray[np.uint8]] | None, pixel: PixelSize | None
) -> dict[str, NDArray[Any] | None]:
    """Return the columns of OBJECT_COLUMNS, one value an object; None for one that is not available.

    Args:
        objects: of the mask.
        bands: its 8-bit probability map in bands of rows, where there is one.
        pixel: the size of a pixel, where it is known.
    """
    of = objects.shapes
    left, top, right, bottom = of.edges
    major, minor = of.axes()
    probabilities = None if bands is None else objects.likelihood(bands)
    columns: dict[str, NDArray[Any] | None] = {
        "object": np.arange(1, len(objects) + 1),
        "area_px": of.area,
        "perimeter_px": of.perimeter(),
        "x_px": of.x,
        "y_px": of.y,
        "left": left,
        "top": top,
        "width": right - left,
        "height": bottom - top,
        "major_px": major,
        "minor_px": minor,
        "eccentricity": of.eccentricity() if pixel is None else of.eccentricity(pixel),
        "solidity": of.solidity,
        "holes": of.holes,
        "touches_border": of.touches_border,
        "mean_probability": None if probabilities is None else probabilities.mean,
        "confidence": None if probabilities is None else probabilities.confidence,
    }
    columns |= dict.fromkeys(OBJECT_COLUMNS.keys() - columns)
    if pixel is not None:
        major, minor = of.axes(pixel)
        columns |= {
            "area_um2": of.area * pixel.area,
            "perimeter_um": of.perimeter(pixel),
            "x_um": of.x * pixel.x,
            "y_um": of.y * pixel.y,
            "major_um": major,
            "minor_um": minor,
        }
    return {name: columns[name] for name in OBJECT_COLUMNS}


def rows(columns: Mapping[str, NDArray[Any] | None]) -> Iterator[dict[str, Value]]:
    """Yield one dictionary an object, of plain numbers; None where there is no value."""
    count = 0 if columns["object"] is None else len(columns["object"])
    for index in range(count):
        yield {name: None if values is None else _plain(values[index]) for name, values in columns.items()}


def written(row: Mapping[str, Value]) -> dict[str, str]:
    """Return a row as the text of a table: digits as declared, yes and no, empty where there is no value."""
    return {name: _text(row[name], column.digits) for name, column in OBJECT_COLUMNS.items()}


def _plain(value: Any) -> Value:
    plain: Value = value.item()
    return None if isinstance(plain, float) and math.isnan(plain) else plain


def _text(value: Value, digits: int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if digits is None else f"{value:.{digits}f}"
