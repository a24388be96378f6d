"""What decoding gives, and the limits it works under."""

import sys
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shared.errors import ImageError, ItemErrorCode
from shared.pixel_size import PixelSize

Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
"""H×W grey, in the file's own units: 0..255, 0..65535, or whatever its floats mean; of several channels C×H×W."""

PIXEL_TYPES = {dtype.name: dtype for dtype in map(np.dtype, (np.uint8, np.uint16, np.float32))}
"""The types that pixels can have, by name. Samples of no other bit depth or sign are kept as they are."""


def in_pixel_type(samples: NDArray[Any]) -> Pixels:
    """`samples` in a type of pixels: whole numbers without a sign as they are, anything else as float32.

    A float64 beyond float32's range becomes infinite.
    """
    if samples.dtype == np.bool_:
        return samples.astype(np.uint8)
    # The byte order of a file may be another than the machine's.
    native = PIXEL_TYPES.get(samples.dtype.name, np.dtype(np.float32))
    with np.errstate(over="ignore"):
        return samples.astype(native, copy=False)


@dataclass(frozen=True)
class DecodeLimits:
    """What an image may measure in order to be accepted: sides and area in pixels, bounds included."""

    min_side: int
    max_side: int
    max_pixels: int = sys.maxsize  # never more than the sides allow
    max_bytes: int = 2**40  # of its file, which whoever takes it in looks at; decoders get memory for as many

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_pixels", min(self.max_side**2, self.max_pixels))

    def check(self, width: int, height: int) -> None:
        """Check the sizes that a header tells, in px, before any pixel exists.

        Raises:
            ImageError: `too_small` or `too_large`.
        """
        if min(width, height) < self.min_side:
            raise ImageError(
                ItemErrorCode.TOO_SMALL,
                f"{width}×{height} px: the shortest side accepted is {self.min_side} px",
            )
        if max(width, height) > self.max_side:
            raise ImageError(
                ItemErrorCode.TOO_LARGE,
                f"{width}×{height} px: the longest side accepted is {self.max_side} px",
            )
        if width * height > self.max_pixels:
            raise ImageError(
                ItemErrorCode.TOO_LARGE,
                f"{width}×{height} px: at most {self.max_pixels / 1e6:.1f} megapixels are accepted",
            )


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """One image, grey or of several channels, as stored in its file: neither rotated nor rescaled."""

    pixels: Pixels  # uint8 or uint16 where the file holds grey of that, float32 of colour and of anything else
    format: str  # one of shared.images.formats.READABLE
    mode: str  # what the file holds: "grey", "RGB", "palette", "CMYK" …; "+alpha" where some may be transparent
    bit_depth: int  # bits a sample
    note: str | None = None  # what the result's reader should know, see shared.images.notes
    is_transparent: bool = False  # whether some of it was seen on a plain ground
    has_holes: bool = False  # whether pixels that the file has no data of are NaN; all others are finite
    pixel_size: PixelSize | None = None  # where the file says one

    @property
    def height(self) -> int:
        """Rows, in pixels."""
        return int(self.pixels.shape[-2])

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        return int(self.pixels.shape[-1])
