"""PNG as this package writes it, read in bands of rows: neither the picture nor what it inflates to is held whole."""

from collections.abc import Iterator

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from shared.images.png import SIGNATURE, Filter, header

_PIECE = 2**16  # compressed bytes that are inflated at once


def bands(data: bytes, rows_at_once: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the levels, (rows, W) from 0 to 255, of a grey PNG of 1 or 8 bits with unfiltered rows or those above.

    Ends before the last row, with rows that are right, where the file is written otherwise or is damaged: another
    reader takes what is left, or says what is wrong.
    """
    if (shape := _shape_of(data)) is None:
        return
    width, height, bits = shape
    row_bytes = 1 + (width * bits + 7) // 8
    above = np.zeros(row_bytes - 1, dtype=np.uint8)
    inflate, kept, left = isal_zlib.decompressobj(), bytearray(), height
    try:
        for some in _inflated(data, inflate, rows_at_once * row_bytes):
            kept += some
            # The last rows wait until the checksum behind them has been compared.
            while len(kept) >= rows_at_once * row_bytes and left > rows_at_once:
                rows = _unfiltered(kept[: rows_at_once * row_bytes], row_bytes, above)
                if rows is None:
                    return
                yield _levels(rows, width, bits)
                del kept[: rows_at_once * row_bytes]
                above, left = rows[-1], left - rows_at_once
    except isal_zlib.error:  # type: ignore[misc]  # its stub has an instance for the class
        return
    if inflate.eof and len(kept) == left * row_bytes:
        rows = _unfiltered(kept, row_bytes, above)
        if rows is not None:
            yield _levels(rows, width, bits)


def _shape_of(data: bytes) -> tuple[int, int, int] | None:
    """Width, height and bits by the header; None where it is none that this package writes."""
    at = len(SIGNATURE)
    width, height = (int.from_bytes(data[at + skip : at + skip + 4], "big") for skip in (8, 12))
    for bits in (1, 8):
        if width and height and data.startswith(SIGNATURE + header(width, height, bits)):
            return width, height, bits
    return None


def _inflated(data: bytes, inflate: "isal_zlib.Decompress", most: int) -> Iterator[bytes]:
    """Yield what the pixels' chunks inflate to, at most so many bytes at once."""
    view, at = memoryview(data), len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        payload = view[at + 8 : at + 8 + length]
        at += 12 + length
        if kind != b"IDAT":
            continue
        for start in range(0, len(payload), _PIECE):
            piece = bytes(payload[start : start + _PIECE])
            while True:
                some = inflate.decompress(piece, most)
                yield some
                piece = inflate.unconsumed_tail
                if not piece and len(some) < most:
                    break


def _unfiltered(filtered: bytearray, row_bytes: int, above: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return the rows as bytes; None where one is filtered in another way."""
    stored = np.frombuffer(bytes(filtered), dtype=np.uint8).reshape(-1, row_bytes)
    kinds, rows = stored[:, 0], stored[:, 1:]
    if (kinds == Filter.NONE).all():
        return rows
    if not (kinds == Filter.UP).all():
        return None
    return np.add.accumulate(np.concatenate([above[np.newaxis], rows]), axis=0, dtype=np.uint8)[1:]


def _levels(rows: NDArray[np.uint8], width: int, bits: int) -> NDArray[np.uint8]:
    return rows if bits == 8 else np.unpackbits(rows, axis=1, count=width) * np.uint8(255)
