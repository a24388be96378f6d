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
from tifffile import TiffFile

from shared.errors import ImageError, ItemErrorCode
from shared.images import scratch
from shared.images.channel_choice import planes_of
from shared.images.codec import DecodeLimits, decode, not_read
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
def _answer(memory: int, length: int, limits: DecodeLimits, channel: str) -> dict[str, Any]:
    start = pixels_at(length)
    samples = max(planes_of(channel), 1) * limits.max_pixels
    bound_for_good(resource.RLIMIT_FSIZE, start + MAX_SAMPLE_BYTES * samples)
    data = scratch.read(memory, length)
    if identify(data) != "TIFF":
        image = decode(data, limits=limits, channel=channel)
        said = _write(memory, start, _slices(image.pixels), image.height * image.width)
        more = {"note": image.note, "has_holes": image.has_holes, "pixel_size": None}
        return said | {"height": image.height, "width": image.width} | more
    try:
        with TiffFile(BytesIO(data)) as tiff:
            picture = reader.Picture(tiff, data, limits, channel)
            page = picture.page
            said = _write(memory, start, picture.bands_of_pixels(), page.imagelength * page.imagewidth)
            shape = {"height": page.imagelength, "width": page.imagewidth}
            size = picture.pixel_size
            more = {"note": picture.note, "has_holes": picture.has_holes}
            return said | shape | more | {"pixel_size": None if size is None else [size.x, size.y]}
    except (ImageError, MemoryError):
        raise
    except NotImplementedError as error:
        raise not_read("TIFF") from error
    except Exception as error:  # the library raises whatever damaged bytes lead it to
        raise ImageError(ItemErrorCode.TRUNCATED, "the TIFF ends early or is damaged") from error


def _write(memory: int, at: int, bands: Iterable[NDArray[Any]], area: int) -> dict[str, Any]:
    """Write bands of rows, H×W or C×H×W, each channel behind all `area` pixels of the one before it."""
    name, channels = None, 0
    try:
        for band in bands:
            name, channels = band.dtype.name, len(band) if band.ndim == 3 else 0
            planes = band if channels else band[None]
            for number, plane in enumerate(planes):
                scratch.write(memory, np.ascontiguousarray(plane).data, at + number * area * band.itemsize)
            at += planes[0].nbytes
    except OSError as error:
        reason = f"no room for the pixels in the worker's folder for temporary files: {os.strerror(error.errno or 0)}"
        raise ImageError(ItemErrorCode.DECODE_MEMORY, reason) from error
    return {"dtype": name, "planes": channels}


def _slices(band: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """What is made of an image to write it should not all be there at once."""
    return (band[..., row : row + _BAND_ROWS, :] for row in range(0, band.shape[-2], _BAND_ROWS))


if __name__ == "__main__":
    main()
