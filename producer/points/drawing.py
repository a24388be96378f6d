"""Points as a picture of dots that a network knows: dots of one size, as far apart as those that it was trained on.

The picture has their box in it and a margin of ground around, so that an outline has room. Its pixels are squares of
the table's units, laid on one grid from 0 for all tables of the same pixel.
"""

import math
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from producer.points.table import Points
from shared.errors import ItemError, ItemErrorCode, UsageError
from shared.pixel_size import PixelSize, micrometres
from shared.point_frame import PointFrame
from shared.synth.dots import render_dots

DOT_SPACING = 12.0
"""Pixels from a dot to the nearest: of 6 to 28, the least of those whose outlines are within 0.003 Dice of the best
(`python -m benchmarks.points`)."""
DOT_RADIUS = 3.0
"""Of each dot, in pixels: one of those that the network was trained on, at which dots so far apart stay apart."""
MAX_SIDE, MAX_PIXELS = 32_768, 2**26

_BACKGROUND, _CONTRAST = 0.15, 0.6  # of 1: in the middle of dotblob-v1
_FAINTEST = 0.6  # of the amplitude that the heaviest point has: the least that dots were trained on
_MARGIN = 40  # px around the points
_ROOM = 2 * _MARGIN + 2  # px that a side has more than its points
_LEAST_SIDE = 512  # px: a smaller picture would be enlarged for the network, and its dots with it
_DIGITS = 3  # of a pixel that is chosen
_MOST_COMPARED = 50_000_000  # distances that tell the spacing
_LEAST_SAMPLE = 128  # points that do at the least
_AT_ONCE = 2**13  # points
_BAND_ROWS = 256


@dataclass(frozen=True)
class DotChoice:
    """How large the pixels of a picture of points are.

    Args:
        spacing: pixels from a dot to the nearest, the median of the table's.
        pixel: side of a pixel in the table's units, above 0, in place of the spacing; None: by the spacing.
    """

    spacing: float = DOT_SPACING
    pixel: float | None = None

    def frame(self, points: Points, unit: str) -> tuple[PointFrame, tuple[int, int]]:
        """Return where the picture lies in the table, and its height and width in px.

        Raises:
            ItemError: `bad_points`, or `too_large`.
        """
        pixel = self._pixel_of(points) if self.pixel is None else self.pixel
        low, high = points.places.min(axis=0), points.places.max(axis=0)
        with np.errstate(over="ignore"):
            are_finite = np.isfinite([low / pixel, high / pixel]).all()
        if not are_finite:
            raise _too_large(high - low, pixel)
        (left, width), (top, height) = (_laid(*ends, pixel) for ends in zip(low, high, strict=True))
        if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
            raise _too_large(high - low, pixel)
        try:
            frame = PointFrame(len(points.places), pixel, left * pixel, top * pixel, unit)
        except UsageError as error:
            raise ItemError(ItemErrorCode.BAD_POINTS, str(error)) from error
        return frame, (height, width)

    def _pixel_of(self, points: Points) -> float:
        return float(f"{spacing_of(points.places) / self.spacing:.{_DIGITS}g}")


def spacing_of(places: NDArray[np.float64]) -> float:
    """Return the median distance of a point to the nearest at another place, of a sample where there are many.

    Args:
        places: (N, 2), in any unit.

    Raises:
        ItemError: `bad_points`: all lie at one place.
    """
    count = min(len(places), max(_MOST_COMPARED // len(places), _LEAST_SAMPLE))
    sample = places[np.linspace(0, len(places) - 1, count).astype(np.intp)]
    nearest = np.full(count, np.inf)
    for start in range(0, len(places), _AT_ONCE):
        distances = np.hypot(*(sample[:, None] - places[None, start : start + _AT_ONCE]).transpose(2, 0, 1))
        distances[distances == 0] = np.inf
        np.minimum(nearest, distances.min(axis=1), out=nearest)
    spacing = float(np.median(nearest))
    if not math.isfinite(spacing):
        raise ItemError(
            ItemErrorCode.BAD_POINTS, "its points lie at one place, so that they have no spacing: give --point-pixel"
        )
    return spacing


def drawn(points: Points, frame: PointFrame, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the picture of the points in this frame, (height, width): the heavier, the lighter.

    Memory grows with the picture, and not with the number of points.
    """
    centres = (points.places - (frame.left, frame.top)) / frame.pixel
    amplitudes = np.ones(len(centres))
    if points.weights is not None:
        amplitudes = _FAINTEST + (1 - _FAINTEST) * points.weights / points.weights.max()
    order = np.argsort(centres[:, 1], kind="stable")
    centres, amplitudes = centres[order], amplitudes[order]
    reach = DOT_RADIUS + 1
    picture = np.empty(shape, dtype=np.uint8)
    for top in range(0, shape[0], _BAND_ROWS):
        rows = min(_BAND_ROWS, shape[0] - top)
        first, last = np.searchsorted(centres[:, 1], [top - reach, top + rows + reach])
        band = np.zeros((rows, shape[1]), dtype=np.float32)
        for start in range(first, last, _AT_ONCE):
            some = slice(start, min(start + _AT_ONCE, last))
            radii = np.full(some.stop - some.start, DOT_RADIUS)
            dots = render_dots(centres[some] - (0, top), radii, amplitudes[some], band.shape)
            np.maximum(band, dots, out=band)
        picture[top : top + rows] = np.rint(255 * (_BACKGROUND + _CONTRAST * band))
    return picture


def encoded(picture: NDArray[np.uint8], pixel: PixelSize | None) -> bytes:
    """Return a picture as a TIFF, which says how large a pixel is, as OME does, where that is known."""
    from PIL.TiffImagePlugin import IMAGEDESCRIPTION, ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    if pixel is not None:
        height, width = picture.shape
        tags[IMAGEDESCRIPTION] = (
            '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
            f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="{width}" '
            f'SizeY="{height}" SizeC="1" SizeZ="1" SizeT="1" PhysicalSizeX="{pixel.x!r}" '
            f'PhysicalSizeXUnit="&#181;m" PhysicalSizeY="{pixel.y!r}" PhysicalSizeYUnit="&#181;m"><TiffData/>'
            "</Pixels></Image></OME>"
        )
    file = BytesIO()
    Image.fromarray(picture).save(file, "TIFF", compression="tiff_adobe_deflate", tiffinfo=tags)
    return file.getvalue()


def size_of_pixel(frame: PointFrame) -> PixelSize | None:
    """Return how large a pixel is, where the table's unit is one of length.

    Raises:
        ItemError: `bad_points`: no pixel has that size.
    """
    unit = micrometres(frame.unit) if frame.unit else None
    if unit is None:
        return None
    try:
        return PixelSize(frame.pixel * unit, frame.pixel * unit)
    except UsageError as error:
        raise ItemError(ItemErrorCode.BAD_POINTS, f"in {frame.unit}, {error}") from error


def _laid(low: float, high: float, pixel: float) -> tuple[int, int]:
    """Return the first pixel of a side, counted from 0 in the table, and how many there are."""
    first = math.floor(low / pixel) - _MARGIN
    count = math.floor(high / pixel) + 1 + _MARGIN - first
    missing = max(_LEAST_SIDE - count, 0)
    return first - missing // 2, count + missing


def _too_large(extent: NDArray[np.float64], pixel: float) -> ItemError:
    width, height = extent.tolist()
    fits = max(
        width / (MAX_SIDE - _ROOM), height / (MAX_SIDE - _ROOM), math.sqrt(width) * math.sqrt(height / MAX_PIXELS)
    )
    return ItemError(
        ItemErrorCode.TOO_LARGE,
        f"at {pixel:.3g} a pixel its points fill {_px(width / pixel)} × {_px(height / pixel)} px, of which "
        f"{MAX_PIXELS:,} are drawn at most: leave stray points out, cut it into parts, or give --point-pixel "
        f"{fits * 1.1:.2g}",
    )


def _px(side: float) -> str:
    return f"{side:,.0f}" if side < 1e9 else f"{side:.1e}"
