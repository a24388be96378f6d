"""The decoder process of one large image: `python -m shared.images.large_decoder`, see `shared.images.large`.

As `shared.images.decoder`, but the scratch file is on disk, and the pixels come to lie behind the source's bytes, band
by band and in as few bytes as hold them.
"""

import os
import resource
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import PLANARCONFIG, TiffFile, TiffPage

from shared.errors import ImageError, ItemErrorCode
from shared.images import scratch
from shared.images.codec import DecodeLimits, decode
from shared.images.decoder import MAX_SAMPLE_BYTES, bound_for_good, refusals, serve
from shared.images.formats import identify
from shared.images.readers import tiff as reader

BYTES_PER_PIXEL = 24
"""Memory that decoding may take for each pixel of the largest image accepted.

A progressive JPEG of three channels needs 14 (6 of coefficients, 4 as decoded, 4 as grey), a TIFF that is one strip of
RGB of 32 bits 12. Of a TIFF of many strips or tiles one row of them is held.
"""
_BAND_ROWS = 256


def main() -> None:
    """Answer for one image."""
    serve(_answer, BYTES_PER_PIXEL)


def pixels_at(length: int) -> int:
    """Where the pixels begin behind so many bytes of a source."""
    return -(-length // 4096) * 4096


@refusals
def _answer(memory: int, length: int, limits: DecodeLimits) -> dict[str, Any]:
    start = pixels_at(length)
    bound_for_good(resource.RLIMIT_FSIZE, start + MAX_SAMPLE_BYTES * limits.max_pixels)
    data = scratch.read(memory, length)
    if identify(data) != "TIFF":
        image = decode(data, limits=limits)
        return _write(memory, start, image.pixels.shape, image.note, _slices(image.pixels))
    try:
        with TiffFile(BytesIO(data)) as tiff:
            page = reader.first_page(tiff, data, limits)
            bands = (reader.grey(page, band) for band in _channels(page))
            return _write(memory, start, (page.imagelength, page.imagewidth), reader.note(tiff), bands)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # the library raises whatever damaged bytes lead it to
        raise ImageError(ItemErrorCode.TRUNCATED, "the TIFF ends early or is damaged") from error


def _write(
    memory: int, at: int, shape: tuple[int, ...], note: str | None, bands: Iterable[NDArray[Any]]
) -> dict[str, Any]:
    name = None
    try:
        for band in bands:
            name = band.dtype.name
            scratch.write(memory, np.ascontiguousarray(band).data, at)
            at += band.nbytes
    except OSError as error:
        reason = f"no room for the pixels in the worker's folder for temporary files: {os.strerror(error.errno or 0)}"
        raise ImageError(ItemErrorCode.DECODE_MEMORY, reason) from error
    return {"height": shape[0], "width": shape[1], "dtype": name, "note": note}


def _channels(page: TiffPage) -> Iterator[NDArray[Any]]:
    """Bands of H×W×C as stored: of each row of strips or tiles, or of the whole where channels lie apart."""
    if page.planarconfig == PLANARCONFIG.SEPARATE and page.samplesperpixel > 1:
        yield from _slices(reader.channels(page))
        return
    rows = page.tilelength if page.is_tiled else page.rowsperstrip
    first, band = 0, None
    for segment, (_, _, row, column, _), _ in page.segments(maxworkers=1):
        if segment is None:
            raise ValueError("a strip or tile is empty")
        if band is None or row != first:
            if band is not None:
                yield from _slices(band)
            first = row
            shape = min(rows, page.imagelength - row), page.imagewidth, page.samplesperpixel
            band = np.zeros(shape, dtype=page.dtype)
        part = segment[0, : band.shape[0], : band.shape[1] - column]
        band[: part.shape[0], column : column + part.shape[1]] = part
    if band is None:
        raise ValueError("no strips or tiles")
    yield from _slices(band)


def _slices(band: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """A strip may be the whole image: what is made of it should not all be there at once."""
    return (band[row : row + _BAND_ROWS] for row in range(0, len(band), _BAND_ROWS))


if __name__ == "__main__":
    main()
