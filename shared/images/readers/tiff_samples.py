"""What the samples of a TIFF mean: stored numbers to light, in a type that keeps their differences."""

from dataclasses import dataclass
from math import frexp
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, TiffPage

from shared.images.channels import Layout

_COLOURS: dict[int, int] = {PHOTOMETRIC.RGB: 3, PHOTOMETRIC.PALETTE: 3, PHOTOMETRIC.SEPARATED: 4}
_ALPHA = (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA)
_FULL_COLOUR = 65535  # of a palette's entries
_EXACT = 2**24  # whole numbers up to which are exact in float32
_MIN_RANGE = 2.0**-8  # of a float64's largest value, below which float32 keeps too little of it
_MIN_FLOAT, _MAX_FLOAT = 1e-30, 1e37  # between which float32 has all of its digits, and room for a sum
_MAX_EXPONENT = 1000  # of two, in float64


@dataclass(frozen=True)
class Narrowing:
    """Takes away what samples have in common where float32 would keep that and lose their differences.

    A float64 that is too large for float32, or too small, is multiplied by a power of two.
    """

    offset: int | float | None = None
    scale: float | None = None

    @classmethod
    def of(cls, look: NDArray[Any], layout: Layout) -> Self:
        """Decide on some samples; alpha and inks are amounts, which have no offset."""
        if look.dtype.kind not in "iuf" or look.dtype.itemsize < 4 or layout.alpha is not None or layout.colours == 4:
            return cls()
        if not look.size:
            return cls()
        low, high = look.min(), look.max()
        if look.dtype.kind != "f":
            return cls(int(low)) if max(abs(int(low)), abs(int(high))) > _EXACT else cls()
        if look.dtype.itemsize == 4 or not np.isfinite(low) or not np.isfinite(high):
            return cls()
        largest = max(abs(float(low)), abs(float(high)))
        reach = float(high) - float(low)  # may be infinite
        is_narrow = reach < _MIN_RANGE * largest
        reach = reach if is_narrow else largest
        is_within = not reach or _MIN_FLOAT < reach < _MAX_FLOAT
        return cls(
            float(low) if is_narrow else None, None if is_within else 2.0 ** min(-frexp(reach)[1], _MAX_EXPONENT)
        )

    def __call__(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return the samples without the offset, to scale, float32; themselves where there is neither."""
        if self.scale is not None:
            return ((samples - (self.offset or 0.0)) * self.scale).astype(np.float32)
        if self.offset is None:
            return samples
        if samples.dtype.kind == "f":
            return (samples - self.offset).astype(np.float32)
        if samples.dtype.itemsize < 8:
            return (samples.astype(np.int64) - self.offset).astype(np.float32)
        # Of 64 bits the difference is right although one of the two may not fit.
        difference = samples.astype(np.uint64) - np.uint64(self.offset % 2**64)
        return difference.view(np.int64).astype(np.float32)


def light_layout(page: TiffPage, samples: int) -> Layout:
    """Return what the channels are that `light` makes of so many samples as stored."""
    colours = _COLOURS.get(page.photometric, 1)
    if page.photometric == PHOTOMETRIC.YCBCR and page.compression == COMPRESSION.JPEG:
        colours = 3
    stored = colours
    if page.photometric == PHOTOMETRIC.PALETTE:
        stored = 1
    elif page.photometric == PHOTOMETRIC.YCBCR:
        stored = min(samples, 3)  # Y alone of what is subsampled
    others = samples - stored
    kinds = tuple(page.extrasamples)[:others]
    index = next((index for index, kind in enumerate(kinds) if kind in _ALPHA), None)
    return Layout(
        colours,
        colours + others,
        _full(page),
        None if index is None else colours + index,
        is_premultiplied=index is not None and kinds[index] == EXTRASAMPLE.ASSOCALPHA,
    )


def light(page: TiffPage, samples: NDArray[Any]) -> NDArray[Any]:
    """Make of samples as stored, H×W×C, those of which more is lighter: grey, R, G, B or inks, then the others."""
    match page.photometric:
        case PHOTOMETRIC.MINISWHITE:
            return _inverted(page, samples)
        case PHOTOMETRIC.PALETTE:
            return _with_colours(page, samples)
        case PHOTOMETRIC.YCBCR if page.compression != COMPRESSION.JPEG and samples.shape[2] > 1:
            return np.delete(samples, (1, 2), axis=2)  # Y is the luma wanted
        case _:
            return samples


def _full(page: TiffPage) -> float:
    if page.photometric == PHOTOMETRIC.PALETTE:
        return _FULL_COLOUR
    dtype = np.dtype(page.dtype)
    if dtype.kind == "i":
        return float(np.iinfo(dtype).max)
    return 0.0 if dtype.kind == "f" else float(2**page.bitspersample - 1)


def _inverted(page: TiffPage, samples: NDArray[Any]) -> NDArray[Any]:
    """White is the smallest value."""
    first = samples[..., :1]
    if samples.dtype.kind == "f" or samples.dtype.kind == "i":
        first = np.negative(first.astype(np.float32))
    else:
        largest = 2**page.bitspersample - 1
        first = ~first if samples.dtype.kind == "b" else samples.dtype.type(largest) - first
    return first if samples.shape[2] == 1 else np.concatenate([first, samples[..., 1:]], axis=2)


def _with_colours(page: TiffPage, samples: NDArray[Any]) -> NDArray[Any]:
    if page.colormap is None:
        raise ValueError("a palette image without its palette")
    palette = np.ascontiguousarray(page.colormap.T)  # entries × R, G, B in 0..65535, whatever the depth
    colours = palette[samples[..., 0].astype(np.intp)]
    if samples.shape[2] == 1:
        return colours
    full = 2**page.bitspersample - 1
    others = samples[..., 1:].astype(np.uint32) * (_FULL_COLOUR // full)
    return np.concatenate([colours, others.astype(np.uint16)], axis=2)
