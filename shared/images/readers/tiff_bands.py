"""The samples of a TIFF page by bands of rows, as its strips or tiles hold them.

tifffile decodes them; here is what it leaves out: strips and tiles that are not in the file, as mappers leave out those
of nothing but background, and colour at a lower resolution than light, as frames of videos have it (TIFF 6.0, section
21), of which the light alone is read.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, PLANARCONFIG, TIFF, TiffPage

from shared.errors import ImageError, ItemErrorCode
from shared.images.readers.tiff_segments import require_sound_jpeg, require_sound_lzw

MAX_TILE_SIDE = 4096
"""Longest side of a tile, in pixels. A header may announce any, and a tile is decoded as a whole."""

_LOOKS = 12
_LOOK_ROWS = 64


class Bands:
    """A page's bands, each H×W×C as stored; of a page whose colour is subsampled H×W×1, its light.

    Args:
        page: of a kind that is read.
        data: the file.
        fill: the value of samples that are not in the file.
    """

    def __init__(self, page: TiffPage, data: bytes, fill: float = 0) -> None:
        self.page = page
        self.height, self.width = page.imagelength, page.imagewidth
        self._data = data
        self._fill = fill
        self._rows = page.tilelength if page.is_tiled else page.rowsperstrip
        self._columns = page.tilewidth if page.is_tiled else page.imagewidth
        self._across = -(-self.width // self._columns)
        self._count = -(-self.height // self._rows)
        self._planes = page.samplesperpixel if page.planarconfig == PLANARCONFIG.SEPARATE else 1
        self._dtype = np.dtype(page.dtype)
        self._is_light_alone = is_subsampled(page)
        self.samples = 1 if self._is_light_alone else page.samplesperpixel
        segments = zip(page.dataoffsets, page.databytecounts, strict=False)
        self._segments = [(offset, self._bytes(index, offset, count)) for index, (offset, count) in enumerate(segments)]

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return map(self.band, range(len(self)))

    def require_sound(self) -> None:
        """Check that each strip or tile lies inside the file, or is left out on purpose, and can be decoded safely.

        Raises:
            ImageError: one is cut off (`truncated`), or of a kind that is not read (`unsupported_format`).
            ValueError: one is damaged.
        """
        page = self.page
        segments = self._segments
        if len(segments) < prod(page.chunked) or not all(self._is_sound(*segment) for segment in segments):
            raise ImageError(ItemErrorCode.TRUNCATED, "the TIFF ends early: some of its strips or tiles are missing")
        if page.compression not in (COMPRESSION.LZW, COMPRESSION.JPEG):
            return
        for stream in filter(None, map(self._stream, range(len(segments)))):
            if page.compression == COMPRESSION.JPEG:
                require_sound_jpeg(stream, MAX_TILE_SIDE)
            else:
                require_sound_lzw(bytes(imagecodecs.bitorder_decode(stream)) if page.fillorder == 2 else stream)

    @property
    def is_whole(self) -> bool:
        """Whether the file has all strips and tiles."""
        return not any(_is_left_out(*segment) for segment in self._segments)

    def band(self, index: int) -> NDArray[Any]:
        """Decode the rows of one row of strips or tiles."""
        first = index * self._rows
        shape = min(self._rows, self.height - first), self.width, self.samples
        band = np.full(shape, self._fill, dtype=self._dtype)
        for plane in range(self._planes):
            for column in range(self._across):
                number = (plane * self._count + index) * self._across + column
                part = self._decoded(number)
                if part is None:
                    continue
                left = column * self._columns
                part = part[: shape[0], : self.width - left]
                samples = slice(plane, plane + 1) if self._planes > 1 else slice(None)
                band[: part.shape[0], left : left + part.shape[1], samples] = part
        return band

    def whole(self) -> NDArray[Any]:
        """Decode all of it."""
        if self.page.is_contiguous and self.is_whole and not self._is_light_alone:
            stored = self.page.asarray(squeeze=False, maxworkers=1)  # planes × depth × H × W × samples
            return np.moveaxis(stored[:, 0], 0, -1)[..., 0, :] if stored.shape[0] > 1 else stored[0, 0]
        samples = np.empty((self.height, self.width, self.samples), dtype=self._dtype)
        for index, band in enumerate(self):
            samples[index * self._rows : index * self._rows + len(band)] = band
        return samples

    def look(self) -> NDArray[Any]:
        """Decode some rows from all over the page, those at its ends among them."""
        indices = sorted({round(at) for at in np.linspace(0, self._count - 1, _LOOKS).tolist()})
        parts = []
        for index in indices:
            band = self.band(index)
            starts = range(0, len(band), max(len(band) * len(indices) // _LOOKS, _LOOK_ROWS))
            parts += [band[start : start + _LOOK_ROWS] for start in starts]
            if index == self._count - 1:
                parts.append(band[-1:])
        return np.concatenate(parts)

    def _bytes(self, index: int, offset: int, count: int) -> int:
        """How many bytes a strip or tile has: as many as it needs where what is told is none, or more than there are.

        Some writers leave zeros, or the size of the file; libtiff goes by the pixels then, too.
        """
        page = self.page
        is_told = 0 < count <= len(self._data) - offset or _is_left_out(offset, count)
        if is_told or page.compression != COMPRESSION.NONE or self._is_light_alone:
            return count
        row = index // self._across % self._count
        rows = self._rows if page.is_tiled else min(self._rows, self.height - row * self._rows)
        samples = page.samplesperpixel // self._planes
        needed = rows * -(-self._columns * samples * page.bitspersample // 8)
        return needed if offset + needed <= len(self._data) else count

    def _is_sound(self, offset: int, count: int) -> bool:
        return _is_left_out(offset, count) or (count > 0 and 0 < offset <= len(self._data) - count)

    def _stream(self, index: int) -> bytes | None:
        """The bytes of a strip or tile, None where it is left out."""
        offset, count = self._segments[index]
        return None if _is_left_out(offset, count) else self._data[offset : offset + count]

    def _decoded(self, index: int) -> NDArray[Any] | None:
        """The samples of one strip or tile, height × width × samples; None where it is left out."""
        stream = self._stream(index)
        if stream is None:
            return None
        if self._is_light_alone:
            return self._light(stream, index)
        tables = {}
        if self.page.compression == COMPRESSION.JPEG:
            tables = {"jpegtables": self.page.jpegtables, "jpegheader": self.page.jpegheader}
        segment, _, _ = self.page.decode(stream, index, _fullsize=self.page.is_tiled, **tables)
        return None if segment is None else segment[0]

    def _light(self, stream: bytes, index: int) -> NDArray[Any]:
        """Take Y out of units of across × down Y, one Cb and one Cr."""
        page, dtype = self.page, self._dtype
        rows = self._rows if page.is_tiled else min(self._rows, self.height - index * self._rows)
        columns = self._columns
        if page.fillorder == 2:
            stream = bytes(imagecodecs.bitorder_decode(stream))
        if page.compression != COMPRESSION.NONE:
            most = (rows + 3) * (columns + 3) * 3 * dtype.itemsize
            stream = TIFF.DECOMPRESSORS[page.compression](stream, out=most)
        values = np.frombuffer(stream, dtype=dtype.newbyteorder(page.parent.byteorder))
        across, down = page.subsampling or (2, 2)  # the default, though some leave the tag out where it is 1, 1
        if page.subsampling is None and values.size == rows * columns * 3:
            across = down = 1
        high, wide, size = -(-rows // down), -(-columns // across), across * down + 2
        if values.size < high * wide * size:
            raise ValueError("a strip or tile ends early")
        units = values[: high * wide * size].reshape(high, wide, size)[..., :-2]
        light = units.reshape(high, wide, down, across).swapaxes(1, 2).reshape(high * down, wide * across)
        return light[:rows, :columns, None]


def is_subsampled(page: TiffPage) -> bool:
    """Whether the page has less colour than light, in units that tifffile does not take apart."""
    return bool(page.is_subsampled and page.compression != COMPRESSION.JPEG)


def _is_left_out(offset: int, count: int) -> bool:
    return offset == 0 and count == 0
