"""Checks of compressed TIFF strips and tiles that their decoders leave out, and that end a process if left out.

imagecodecs (2026.3.6 and before) reads memory it never wrote when the first code after a Clear in an LZW stream
is not a literal: a damaged file then kills the worker by SIGSEGV, which no `except` catches. A JPEG inside a
TIFF has sizes of its own, which the TIFF's limits say nothing about, and may be lossless, which a lesser-tested
decoder reads.
"""

import re

import numpy as np
from numpy.typing import NDArray

from shared.errors import ImageError, ItemErrorCode
from shared.images.readers.jpeg_markers import parse_jpeg, require_read

_CLEAR, _END, _FIRST_FREE = 256, 257, 258
_OLD_CLEAR = b"\x00\x01"
_MAX_CODES = 4096  # in one table; a decoder stops with an error where a Clear is overdue
_STEPS = ((0, 256), (256, _MAX_CODES))  # a short look first: a hostile table ends at once, most are full
_FRAME_HEADER = re.compile(rb"\xff[\xc0-\xc2]..(.)(..)(..)", re.DOTALL)
_LOSSLESS_JPEG = b"\xff\xc3"


def _code_offsets() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the codes after a Clear begin, in bits after its end, and their widths in bits.

    The table grows by one with each code but the first, so the places are the same for every stream (TIFF 6.0,
    section 13, where the width changes one code early).
    """
    table_size = _FIRST_FREE - 1 + np.arange(_MAX_CODES)
    widths = 9 + (table_size >= 511).astype(np.int64) + (table_size >= 1023) + (table_size >= 2047)
    return np.cumsum(widths) - widths, widths


_OFFSETS, _WIDTHS = _code_offsets()


def require_sound_lzw(stream: bytes) -> None:
    """Check that each table of an LZW stream begins with a literal.

    Raises:
        ImageError: it is of the kind of before TIFF 5.0, whose bits go the other way (`unsupported_format`).
        ValueError: one does not, or there are more tables than an honest stream has.
    """
    if stream.startswith(_OLD_CLEAR):
        reason = "a TIFF of the old kind of LZW compression: convert it to plain grey or RGB"
        raise ImageError(ItemErrorCode.UNSUPPORTED_FORMAT, reason)
    if stream[:1] != b"\x80" or stream[1:2] >= b"\x80":
        raise ValueError("the LZW stream does not begin with a Clear")
    padded = np.frombuffer(stream + bytes(3), dtype=np.uint8)
    at, end = 9, 8 * len(stream)
    # Encoders clear a table when it is full or no longer pays; one Clear after another is an attack on our time.
    for _ in range(16 + len(stream) // 64):
        length, stopped_by = _table(padded, at, end)
        if stopped_by != _CLEAR:
            return
        at += length
    raise ValueError("the LZW stream clears its table too often")


def _table(padded: NDArray[np.uint8], start: int, end: int) -> tuple[int, int | None]:
    """Bits up to and with the code that ends the table that begins at bit `start`, and that code."""
    for first, last in _STEPS:
        places, widths = start + _OFFSETS[first:last], _WIDTHS[first:last]
        inside = int(np.searchsorted(places + widths, end, side="right"))
        places, widths = places[:inside], widths[:inside]
        codes = _read(padded, places, widths)
        if first == 0 and inside and codes[0] > _END:
            raise ValueError("an LZW table does not begin with a literal")
        stops = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        if stops.size:
            stop = stops[0]
            return int(places[stop] + widths[stop]) - start, int(codes[stop])
        if inside < last - first:
            break
    return 0, None


def _read(padded: NDArray[np.uint8], places: NDArray[np.int64], widths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The big-endian numbers of `widths` bits (17 at most) at the bit positions `places`."""
    byte = places >> 3
    window = padded[byte].astype(np.int64) << 16 | padded[byte + 1].astype(np.int64) << 8 | padded[byte + 2]
    codes: NDArray[np.int64] = window >> (24 - (places & 7) - widths) & ((1 << widths) - 1)
    return codes


def require_sound_jpeg(stream: bytes, max_side: int) -> None:
    """Check that a JPEG is lossy, and no side larger than `max_side` px.

    Raises:
        ImageError: it is lossless, or of another kind that is not read (`unsupported_format`).
        ValueError: it is larger.
    """
    if _LOSSLESS_JPEG in stream:  # in coded data a 0xFF byte is followed by zero or a restart marker
        raise ImageError(ItemErrorCode.UNSUPPORTED_FORMAT, "a TIFF of lossless JPEG: convert it to plain grey or RGB")
    require_read(parse_jpeg(stream))
    for frame in _FRAME_HEADER.finditer(stream):
        if max(int.from_bytes(side) for side in frame.group(2, 3)) > max_side:
            raise ValueError("a JPEG larger than any tile")
