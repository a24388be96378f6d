"""PNG, JPEG and WebP read as containers: sizes from headers, and the parts that pixels need.

Metadata that a library would parse is taken out before it sees the file. Nothing of EXIF or comments is used but the
orientation, and their parsers are where libraries warn, balk at sizes and spend time on hostile bytes. All functions
accept any bytes: what cannot be followed is passed on as it is, for the decoder to refuse.
"""

import zlib
from dataclasses import dataclass

from isal import isal_zlib
from isal.igzip_lib import IsalError

from shared.images.png import chunk
from shared.images.readers.orientation import exif_orientation

_PNG_SIGNATURE_BYTES = 8
_PNG_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_PNG_ONCE = (b"IHDR", b"PLTE", b"IEND")
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # a pixel, by colour type
_INFLATED_BYTES = 64 * 2**20  # at most, since there will be several copies


@dataclass(frozen=True)
class Png:
    """The chunks of a PNG that make its picture, and what is known of it before decoding."""

    data: bytes
    bit_depth: int
    frames: int  # as announced; 1 unless it is an animation
    intact: bool  # the chunks kept are whole and their checksums hold
    transparent: bytes | None  # what the chunk tRNS says, which depends on the type of colour
    orientation: int  # EXIF's; 1 where the pixels are as they are to be seen


def parse_png(data: bytes) -> Png:
    """Keep the header, palette and pixels, and read what else counts. `ValueError` without a header."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise ValueError("no IHDR")
    kept = [data[:_PNG_SIGNATURE_BYTES]]
    frames, intact, transparent, orientation = 1, True, None, 1
    at = _PNG_SIGNATURE_BYTES
    seen: set[bytes] = set()
    while at < len(data):
        kind = data[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(data[at : at + 4])  # length, kind, payload, checksum
        if kind in _PNG_ONCE and kind in seen:
            pass  # the first one counts, as for libpng; a reader might go through a million
        elif kind in _PNG_PIXEL_CHUNKS:
            seen.add(kind)
            kept.append(data[at:end])
            checksum = int.from_bytes(data[end - 4 : end])
            intact &= end <= len(data) and isal_zlib.crc32(memoryview(data)[at + 4 : end - 4]) == checksum
        elif kind == b"acTL":
            frames = int.from_bytes(data[at + 8 : at + 12])
        elif kind == b"tRNS":
            transparent = data[at + 8 : end - 4]
        elif kind == b"eXIf":
            orientation = exif_orientation(data[at + 8 : end - 4])
        at = end
    return Png(b"".join(kept), data[24], frames, intact, transparent, orientation)


def inflated(png: Png) -> bytes | None:
    """The same PNG with its pixels stored rather than compressed: ISA-L inflates twice as fast as the readers' zlib.

    None where that cannot be, or where anything about the stream is unusual: a reader may know what to make of it.
    """
    data = png.data
    pixels = []
    around: list[list[bytes]] = [[data[:_PNG_SIGNATURE_BYTES]], []]
    at = _PNG_SIGNATURE_BYTES
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            pixels.append(memoryview(data)[at + 8 : end - 4])
        else:
            around[bool(pixels)].append(data[at:end])
        at = end
    width, height = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
    bits = data[24] * _PNG_SAMPLES.get(data[25], 0)
    size = height * (1 + -(-width * bits // 8))
    if data[28] or not bits or size > _INFLATED_BYTES:  # interlaced rows are of many lengths
        return None
    stream = isal_zlib.decompressobj()
    try:
        rows = stream.decompress(b"".join(pixels), size)
    except IsalError:  # type: ignore[misc]  # its stub has an instance for the class
        return None
    if len(rows) != size or not stream.eof or stream.unused_data:
        return None
    return b"".join([*around[0], chunk(b"IDAT", zlib.compress(rows, level=0)), *around[1]])


def without_exif(jpeg: bytes) -> bytes:
    """Hide EXIF blocks from Pillow, which reads a resolution from them on opening, and warns.

    Wherever the identifier stands: in a damaged file Pillow may find segments where a stricter walk would not.
    """
    return jpeg.replace(b"Exif\x00\x00", b"none\x00\x00")


@dataclass(frozen=True)
class WebPHeader:
    """Sizes in pixels, whether the file is an animation, and EXIF's orientation."""

    width: int
    height: int
    animated: bool
    orientation: int = 1


def parse_webp_header(data: bytes) -> WebPHeader:
    """Read the first chunk (RFC 9649, section 2).

    Raises:
        ValueError: it is none known, or ends early.
    """
    kind = data[12:16]
    if len(data) < 30:
        raise ValueError("the header ends early")
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        orientation = _webp_orientation(data) if data[20] & 0x08 else 1
        return WebPHeader(width, height, bool(data[20] & 0x02), orientation)
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return WebPHeader(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), animated=False)
    if kind == b"VP8 ":
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        return WebPHeader(width, height, animated=False)
    raise ValueError(f"unknown first chunk {kind!r}")


def _webp_orientation(data: bytes) -> int:
    at = 12
    while at + 8 <= len(data):
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"EXIF":
            return exif_orientation(data[at + 8 : end])
        at = end + end % 2
    return 1
