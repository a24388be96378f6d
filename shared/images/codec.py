"""Bytes ↔ arrays: sources of any supported format in, masks and probability maps out. Safe in threads.

    decode                                  PNG, JPEG, TIFF, BMP, WebP → grey, in the type of the file's samples
    encode_mask, decode_mask                bool ↔ PNG of 1 bit that reads as 0 and 255
    widen_mask                              PNG of 1 bit → PNG of 8 bits, which every reader takes for 0 and 255
    encode_probability, decode_probability  uint8 ↔ PNG of 8 bits; float32 in [0, 1] on reading
    decode_levels, level_bands              the same PNG → its levels, uint8 from 0 to 255, whole or in bands of rows
    encode_grey, encode_grey_16             uint8, uint16 → PNG of 8, 16 bits

An image is taken as its file stores it: EXIF orientation is not applied, so that a mask lies pixel on pixel
over its source. Colour becomes Rec. 601 luma, unless one of its channels shows far more; transparent parts are seen on
white. Colour profiles and gamma are ignored. What is left out is noted.
"""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from shared.errors import ImageError, ItemErrorCode
from shared.images import png, png_rows
from shared.images.channel_choice import AUTO, planes_of
from shared.images.decoded import DecodedImage, DecodeLimits
from shared.images.formats import READABLE, identify
from shared.images.notes import Note, NoteCode, joined
from shared.images.png_stream import PngStream
from shared.images.readers import raster

__all__ = [
    "DecodeLimits",
    "DecodedImage",
    "decode",
    "decode_levels",
    "decode_mask",
    "decode_probability",
    "encode_grey",
    "encode_grey_16",
    "encode_mask",
    "encode_probability",
    "level_bands",
    "mask_bands",
    "widen_mask",
]

_ROWS_AT_ONCE = 256


def decode(data: bytes, *, limits: DecodeLimits, channel: str = AUTO) -> DecodedImage:
    """Read one image as grey, in the units of its file: uint8 or uint16 as stored where it is that, else float32.

    `channel` is what of its channels is taken, see `shared.images.channel_choice`; where they are taken apart, the
    pixels of a picture that has several are C×H×W. Sides are checked against `limits` as soon as the header is read,
    before memory for pixels is taken.

    Raises:
        ImageError: with the code `empty_file`, `not_an_image`, `unsupported_format`, `animated`,
            `too_small`, `too_large`, `no_such_channel`, `truncated` or `not_finite`. The reason is one line in
            our own words, never text out of the file; the library's error is chained.
    """
    if not data:
        raise ImageError(ItemErrorCode.EMPTY_FILE, "the file has no bytes")
    format_name = identify(data)
    if format_name is None:
        raise ImageError(ItemErrorCode.NOT_AN_IMAGE, "the bytes are not those of an image, whatever the name says")
    if format_name == "GIF" and raster.gif_is_animated(data):
        raise ImageError(ItemErrorCode.ANIMATED, "an animated GIF: submit single images")
    if format_name not in READABLE:
        raise ImageError(
            ItemErrorCode.UNSUPPORTED_FORMAT,
            f"{format_name} is not among the formats read: convert it to one of {', '.join(READABLE)}",
        )
    try:
        image = _read(format_name, data, limits, channel)
    except (ImageError, MemoryError):
        raise
    except NotImplementedError as error:
        raise not_read(format_name) from error
    except Exception as error:  # the libraries raise whatever damaged bytes lead them to
        raise ImageError(ItemErrorCode.TRUNCATED, f"the {format_name} ends early or is damaged") from error
    # Whole numbers are finite; where there are holes, its reader has looked at the rest.
    if image.pixels.dtype.kind == "f" and not image.has_holes and not np.isfinite(image.pixels).all():
        raise ImageError(ItemErrorCode.NOT_FINITE, "some intensities are NaN or infinite")
    wanted = planes_of(channel)
    if wanted and image.pixels.ndim == 2:
        grey = Note(NoteCode.COLOUR, f"a grey picture, shown to each of the model's {wanted} channels")
        return replace(image, note=joined(image.note, notes=[grey]))
    return image


def not_read(format_name: str) -> ImageError:
    """What is to be said of a sound file whose layout a library does not take."""
    reason = f"a {format_name} of an unusual layout: convert it to plain grey or RGB"
    return ImageError(ItemErrorCode.UNSUPPORTED_FORMAT, reason)


def _read(format_name: str, data: bytes, limits: DecodeLimits, channel: str) -> DecodedImage:
    match format_name:
        case "PNG":
            return raster.read_png(data, limits, channel)
        case "JPEG":
            return raster.read_jpeg(data, limits, channel)
        case "BMP":
            return raster.read_bmp(data, limits, channel)
        case "WebP":
            return raster.read_webp(data, limits, channel)
        case _:
            from shared.images.readers import tiff  # tifffile is not in a producer's installation

            return tiff.read(data, limits, channel)


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """H×W bool to a PNG of 1 bit a pixel; image viewers and readers show it as 0 and 255."""
    return png.encode(np.packbits(mask, axis=1), mask.shape[1], bit_depth=1)


def decode_mask(data: bytes) -> NDArray[np.bool_]:
    """H×W bool from a PNG of 0 and 255, of 1 or 8 bits.

    Raises:
        ImageError: `truncated`.
    """
    return np.asarray(_open_png(data).convert("L")) > 127


def level_bands(data: bytes) -> Iterator[NDArray[np.uint8]]:
    """Yield what `decode_levels` returns as bands of rows, from the top; its own files in memory of two bands.

    Raises:
        ImageError: `truncated`.
    """
    top = 0
    for band in png_rows.bands(data, _ROWS_AT_ONCE):
        yield band
        top += len(band)
    if not top or top < int.from_bytes(data[20:24], "big"):  # written otherwise, or damaged
        yield from _bands(_open_png(data), top)


def mask_bands(data: bytes) -> Iterator[NDArray[np.bool_]]:
    """Yield a stored mask as bands of rows, from the top.

    Raises:
        ImageError: `truncated`.
    """
    for levels in level_bands(data):
        yield levels > 127


def widen_mask(data: bytes) -> bytes:
    """Make a PNG of 8 bits, 0 and 255, of a PNG of 1 bit, with a byte of memory a pixel.

    Raises:
        ImageError: it is damaged (`truncated`).
    """
    mask, widened = _open_png(data), BytesIO()
    stream = PngStream(widened.write, height=mask.height, width=mask.width, bits=8)
    for levels in _bands(mask):
        stream.add(levels)
    return widened.getvalue()


def encode_probability(probability: NDArray[np.uint8]) -> bytes:
    """H×W uint8, 255 for probability 1, to a PNG of 8 bits."""
    return png.encode(probability, probability.shape[1], bit_depth=8, row_filter=png.Filter.UP)


def decode_probability(data: bytes) -> NDArray[np.float32]:
    """H×W float32 in [0, 1] from a PNG of 8 bits.

    Raises:
        ImageError: `truncated`.
    """
    return np.asarray(_open_png(data).convert("L"), dtype=np.float32) / np.float32(255)


def decode_levels(data: bytes) -> NDArray[np.uint8]:
    """H×W levels from 0 to 255 from a PNG of 8 bits, or of 1 bit, whose levels are 0 and 255.

    Raises:
        ImageError: `truncated`.
    """
    return np.asarray(_open_png(data).convert("L"))


def encode_grey(image: NDArray[np.uint8]) -> bytes:
    """H×W uint8 to a PNG of 8 bits."""
    return png.encode(image, image.shape[1], bit_depth=8)


def encode_grey_16(image: NDArray[np.uint16]) -> bytes:
    """H×W uint16 to a PNG of 16 bits."""
    rows = image.astype(">u2").view(np.uint8)
    return png.encode(rows, image.shape[1], bit_depth=16, row_filter=png.Filter.UP)


def _bands(image: Image.Image, first: int = 0) -> Iterator[NDArray[np.uint8]]:
    for top in range(first, image.height, _ROWS_AT_ONCE):
        band = image.crop((0, top, image.width, min(top + _ROWS_AT_ONCE, image.height)))
        yield np.asarray(band.convert("L"))


def _open_png(data: bytes) -> Image.Image:
    """A PNG that this module wrote."""
    try:
        image = PngImageFile(BytesIO(data))
        image.load()
    except Exception as error:
        raise ImageError(ItemErrorCode.TRUNCATED, "the stored PNG ends early or is damaged") from error
    return image
