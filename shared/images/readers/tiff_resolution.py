"""How large a pixel of a TIFF is: as OME, ImageJ or the tags of the resolution say, the first of them that does."""

import html
import re
from typing import Any

from tifffile import TiffFile, TiffPage

from shared.errors import UsageError
from shared.images.notes import Note, NoteCode
from shared.pixel_size import PixelSize, micrometres

_X_RESOLUTION, _Y_RESOLUTION, _UNIT = 282, 283, 296
_TAG_UNITS = {2: "inch", 3: "cm"}
# What programs write that know nothing: pixels per inch of a screen.
_OF_SCREENS = (72.0, 96.0)
_OME_PIXELS = re.compile(r"<(?:\w+:)?Pixels\s([^>]*)>")
_ATTRIBUTE = re.compile(r"\bPhysicalSize([XY])(Unit)?\s*=\s*[\"']([^\"']*)[\"']")
_IMAGEJ_LINE = re.compile(r"^(unit|yunit)=(.*)$", re.MULTILINE)
_MAX_DESCRIPTION = 1 << 20


class _Unusable(Exception):
    """Why what a file says is no size of a pixel."""


def pixel_size(tiff: TiffFile, page: TiffPage) -> tuple[PixelSize | None, list[Note]]:
    """Return the size of the page's pixels; None, and a note of why, where the file says one that cannot be used."""
    try:
        return _of_ome(tiff) or _of_imagej(page) or _of_tags(page), []
    except _Unusable as reason:
        note = Note(NoteCode.PIXEL_SIZE, f"{reason}, so that lengths are told in pixels alone: give --pixel-size")
        return None, [note]


def _of_ome(tiff: TiffFile) -> PixelSize | None:
    description = _description(tiff.pages.first)
    pixels = _OME_PIXELS.search(description) if "OME" in description else None
    if pixels is None:
        return None
    said = {axis + unit: html.unescape(value) for axis, unit, value in _ATTRIBUTE.findall(pixels[1])}
    x = said.get("X", said.get("Y"))
    if x is None:
        return None
    x_unit = said.get("XUnit", said.get("YUnit", "µm"))
    return _size(x, x_unit, said.get("Y", x), said.get("YUnit", x_unit))


def _of_imagej(page: TiffPage) -> PixelSize | None:
    description = _description(page)
    if not description.startswith("ImageJ="):
        return None
    said = {name: value.strip() for name, value in _IMAGEJ_LINE.findall(description)}
    unit = said.get("unit", "")
    if unit.lower() in ("", "pixel", "pixels"):
        return None
    x = _resolution(page, _X_RESOLUTION)
    if x is None:
        return None
    y = _resolution(page, _Y_RESOLUTION)
    return _size(_inverse(x), unit, _inverse(x if y is None else y), said.get("yunit", unit))


def _of_tags(page: TiffPage) -> PixelSize | None:
    unit = _TAG_UNITS.get(_whole(page.tags.valueof(_UNIT)))
    x = _resolution(page, _X_RESOLUTION)
    if unit is None or x is None:
        return None
    y = _resolution(page, _Y_RESOLUTION)
    y = x if y is None else y
    if unit == "inch" and x == y and x in _OF_SCREENS:
        return None
    return _size(_inverse(x), unit, _inverse(y), unit)


def _size(x: float | str, x_unit: str, y: float | str, y_unit: str) -> PixelSize:
    units = micrometres(x_unit), micrometres(y_unit)
    if units[0] is None or units[1] is None:
        raise _Unusable("the file has the size of its pixels in a unit that is none of length")
    try:
        return PixelSize(float(x) * units[0], float(y) * units[1])
    except (UsageError, ValueError, OverflowError) as error:
        raise _Unusable("the file has a size of its pixels that none can have") from error


def _inverse(resolution: float) -> float:
    return 1 / resolution if resolution else 0.0


def _resolution(page: TiffPage, tag: int) -> float | None:
    """Pixels per unit; 0 where the fraction has no value, None without the tag."""
    value: Any = page.tags.valueof(tag)
    if isinstance(value, int | float):
        return float(value)
    try:
        numerator, denominator = value
        return numerator / denominator if denominator else 0.0
    except (TypeError, ValueError, OverflowError):
        return None


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int) else 0


def _description(page: Any) -> str:
    text = getattr(page, "description", "")
    return text[:_MAX_DESCRIPTION] if isinstance(text, str) else ""
