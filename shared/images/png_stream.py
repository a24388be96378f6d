"""PNG written in bands of rows, so that the picture is never held as a whole."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from shared.images.png import LEVEL, SIGNATURE, Filter, chunk, header


class PngStream:
    """Writes one grey picture to `write`, a function of bytes: 1 bit a pixel, or 8 as differences of rows."""

    def __init__(self, write: Callable[[bytes], Any], *, height: int, width: int, bits: Literal[1, 8]) -> None:
        """Write the header."""
        self._write = write
        self._bits = bits
        self._rows_left = height
        self._width = width
        self._above = np.zeros(width, dtype=np.uint8)
        self._compressor = isal_zlib.compressobj(LEVEL)
        write(SIGNATURE + header(width, height, bits))

    def add(self, rows: NDArray[Any]) -> None:
        """Add rows of H×W: bool for 1 bit, uint8 for 8. The last rows end the picture."""
        if rows.shape[1] != self._width or len(rows) > self._rows_left:
            raise ValueError(f"rows of shape {rows.shape}, where {self._rows_left} of {self._width} pixels are left")
        self._data(self._compressor.compress(self._filtered(rows).data))
        self._rows_left -= len(rows)
        if not self._rows_left:
            self._data(self._compressor.flush())
            self._write(chunk(b"IEND", b""))

    def _filtered(self, rows: NDArray[Any]) -> NDArray[np.uint8]:
        if self._bits == 1:
            return np.pad(np.packbits(rows, axis=1), ((0, 0), (1, 0)), constant_values=Filter.NONE)
        filtered = np.empty((len(rows), 1 + self._width), dtype=np.uint8)
        filtered[:, 0] = Filter.UP
        np.subtract(rows[:1], self._above, out=filtered[:1, 1:])
        np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
        self._above = rows[-1].copy()
        return filtered

    def _data(self, compressed: bytes) -> None:
        if compressed:
            self._write(chunk(b"IDAT", compressed))
