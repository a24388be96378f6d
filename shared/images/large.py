"""Images too large to be held: decoded into a file on disk, and read from there in windows.

What the decoder process says is not believed: the file holds so many pixels of a known kind, or the image fails.
"""

import os
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.errors import ImageError, ImageOutOfDisk, ImageOutOfMemory, ItemErrorCode
from shared.images import large_decoder as child
from shared.images import scratch
from shared.images.channel_choice import AUTO
from shared.images.decoded import PIXEL_TYPES, DecodeLimits
from shared.images.decoder_process import DecoderDeath, DecoderProcess, line, pixel_size, planes_of
from shared.pixel_size import PixelSize

BAND_ROWS = 256
_FLOAT32 = np.dtype(np.float32)


class PixelFile:
    """H×W pixels of one image in a file, row by row; closes the file on leaving. Safe in threads.

    Of several channels, `planes` of them, one lies behind the other, and windows are C×H×W.
    """

    def __init__(
        self,
        descriptor: int,
        start: int,
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        *,
        has_holes: bool = False,
        pixel_size: PixelSize | None = None,
        planes: int = 0,
    ) -> None:
        """Take over `descriptor`; the pixels begin at byte `start`, NaN where there is no data if it has holes."""
        self.height, self.width = shape
        self.has_holes = has_holes
        self.pixel_size = pixel_size  # where the image's file says one
        self.planes = planes  # 0: one grey one
        self._descriptor = descriptor
        self._start = start
        self._dtype = dtype

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixels' type in the file."""
        return self._dtype

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    @classmethod
    def of(
        cls,
        bands: Iterator[NDArray[Any]],
        shape: tuple[int, int],
        *,
        has_holes: bool = False,
        dtype: np.dtype[Any] = _FLOAT32,
    ) -> Self:
        """A new file of these bands of rows, whose pixels are of `dtype`.

        Raises:
            ImageOutOfDisk: the disk is full.
        """
        descriptor = scratch.create_on_disk()
        try:
            at = 0
            for band in bands:
                scratch.write(descriptor, np.ascontiguousarray(band).data, at)
                at += band.nbytes
        except OSError as error:
            os.close(descriptor)
            raise _no_room(error) from error
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, 0, shape, dtype, has_holes=has_holes)

    def apart(self) -> list["PixelFile"]:
        """Return each of its channels by itself, to be read while this one is open."""
        shape, size = (self.height, self.width), self.height * self.width * self._dtype.itemsize
        return [
            PixelFile(self._descriptor, self._start + number * size, shape, self._dtype, has_holes=self.has_holes)
            for number in range(max(self.planes, 1))
        ]

    def window(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
        """The pixels of a window, (height, width) or (planes, height, width) float32, from `row` and `column` on.

        Raises:
            ImageError: the file ends before, or a pixel is infinite, or NaN though it has no holes.
        """
        if self.planes:
            return np.stack([plane.window(row, column, height, width) for plane in self.apart()])
        pixels = np.empty((height, width), dtype=self._dtype)
        stride, size = self.width * self._dtype.itemsize, self._dtype.itemsize
        at = self._start + row * stride + column * size
        if width == self.width:
            self._read(pixels, at)
        else:
            for offset in range(height):
                self._read(pixels[offset], at + offset * stride)
        if self._dtype.kind == "f" and (np.isinf(pixels) if self.has_holes else ~np.isfinite(pixels)).any():
            raise ImageError(ItemErrorCode.NOT_FINITE, "some intensities are NaN or infinite")
        return pixels.astype(np.float32, copy=False)

    def bands(self) -> Iterator[NDArray[np.float32]]:
        """All rows from the top, some at a time."""
        for row in range(0, self.height, BAND_ROWS):
            yield self.window(row, 0, min(BAND_ROWS, self.height - row), self.width)

    def _read(self, pixels: NDArray[Any], at: int) -> None:
        rest = pixels.data.cast("B")
        while rest:
            count = os.preadv(self._descriptor, [rest], at)
            if not count:
                raise ImageError(ItemErrorCode.DECODER_CRASHED, "decoding gave fewer pixels than it announced")
            rest, at = rest[count:], at + count


def decode_to_file(
    source: Callable[[int], int],
    *,
    limits: DecodeLimits,
    seconds: float,
    channel: str = AUTO,
    module: str = child.__name__,
) -> tuple[PixelFile, str | None]:
    """Decode one image, in a process of its own, into a file; return that, and what is to be noted of the image.

    `source` writes the file's bytes at the beginning of an open file, by its descriptor, and returns their number.

    Raises:
        ImageError, ImageOutOfMemory, ImageOutOfDisk, DecoderUnavailable: as `shared.images.isolated.Decoders.decode`.
    """
    try:
        descriptor = scratch.create_on_disk()
    except OSError as error:
        raise _no_room(error) from error
    process = DecoderProcess(module, limits, seconds, memory=descriptor)
    try:
        try:
            length = source(descriptor)
        except OSError as error:
            raise _no_room(error) from error

        def understand(fields: dict[str, Any]) -> tuple[PixelFile, str | None]:
            shape = int(fields["height"]), int(fields["width"])
            limits.check(shape[1], shape[0])
            note = None if fields["note"] is None else line(fields["note"])
            dtype = PIXEL_TYPES[fields["dtype"]]
            has_holes, size = fields["has_holes"] is True, pixel_size(fields["pixel_size"])
            start = child.pixels_at(length)
            planes = sum(planes_of(fields["planes"]))
            pixels = PixelFile(
                os.dup(descriptor), start, shape, dtype, has_holes=has_holes, pixel_size=size, planes=planes
            )
            return pixels, note

        return process.answer(length, understand, channel)
    except DecoderDeath as death:
        if death.code is None:
            raise ImageOutOfMemory(str(death)) from death
        raise ImageError(death.code, str(death)) from death
    finally:
        process.end()


def _no_room(error: OSError) -> ImageOutOfDisk:
    return ImageOutOfDisk(f"no room for a large image in the folder for temporary files (TMPDIR): {error.strerror}")
