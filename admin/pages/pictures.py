"""Stored objects to the pictures that the pages show: pure, from bytes to PNG.

Sizes are checked in the header, before pixels are decoded; what cannot be shown becomes `placeholder`.
"""

from collections.abc import Callable
from enum import StrEnum
from functools import cache
from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.errors import ImageError, ItemErrorCode
from shared.images.channel_choice import AUTO
from shared.images.decoded import DecodedImage
from shared.images.heatmap import display_grey, heatmap, overlay
from shared.jobs.records import Item

THUMBNAIL, FIGURE = 256, 1024
SIZES = (THUMBNAIL, FIGURE)
"""Longest sides in px that can be asked for; without one the picture has the size of its object."""
SHOWN_PIXELS = 4096**2
"""Pixels of the largest image that is drawn: its decoding takes some 300 MB."""
FIRST_ALONE, SECOND_ALONE = (255, 149, 0), (64, 156, 255)
"""Orange and blue, which everybody tells apart."""
PREVIEW_BYTES = 13_500
"""Of a preview: a screen of 36 has 500 kB."""
_WEBP_STEPS = ((THUMBNAIL, 55), (THUMBNAIL, 25), (192, 30), (192, 10), (160, 8), (128, 5))  # px, quality
_SHOWN_BYTES = 64 * 2**20


class Picture(StrEnum):
    """What can be shown of an item."""

    SOURCE = "source"  # grey, stretched
    MASK = "mask"
    PROBABILITY = "probability"  # in the colours of `shared.images.heatmap`
    OVERLAY = "overlay"  # the mask's contour over the source
    TRUTH = "truth"
    CORRECTION = "correction"  # the mask that somebody drew
    CORRECTED = "corrected"  # its contour over the source
    ERRORS = "errors"  # over the source, where the mask alone is inside (orange) and the truth alone (blue)


def is_shown(item: Item) -> bool:
    """Whether the item's pictures are small enough to be drawn, as far as its row tells."""
    return (item.width or 0) * (item.height or 0) <= SHOWN_PIXELS and (item.source_bytes or 0) <= _SHOWN_BYTES


def keys_of(item: Item, picture: Picture) -> tuple[str, ...] | None:
    """Return the keys of the objects that the picture is made of; None where the item does not have it (yet)."""
    keys = {
        Picture.SOURCE: (item.source_key,),
        Picture.MASK: (item.mask_key,),
        Picture.PROBABILITY: (item.probability_key,),
        Picture.OVERLAY: (item.source_key, item.mask_key),
        Picture.TRUTH: (item.truth_key,),
        Picture.CORRECTION: (item.review.correction_key,),
        Picture.CORRECTED: (item.source_key, item.review.correction_key),
        Picture.ERRORS: (item.source_key, item.mask_key, item.truth_key),
    }[picture]
    present = tuple(key for key in keys if key is not None)
    return present if len(present) == len(keys) else None


Decode = Callable[[bytes, str], DecodedImage]
"""Reads an image, and of its channels what a word says, see `shared.images.channel_choice`."""

# Which comes first among the objects.
_OF_A_SOURCE = frozenset({Picture.SOURCE, Picture.OVERLAY, Picture.CORRECTED, Picture.ERRORS})


def draw(picture: Picture, objects: tuple[bytes, ...], *, size: int | None, decode: Decode, channel: str) -> bytes:
    """Return the PNG, its longest side at most `size` px, of a source the channel that was segmented.

    Raises:
        ImageError: an object is no image that `decode` takes, or masks that are compared differ in size.
    """
    first, *others = objects
    shown = _read(first, size, decode, channel if picture in _OF_A_SOURCE else AUTO)
    return _png(_DRAWN[picture](shown, *(_read(data, size, decode) for data in others)))


def draw_preview(objects: tuple[bytes, ...], *, decode: Decode, channel: str) -> bytes:
    """Return a small WebP of a source and its mask as they are stored.

    Raises:
        ImageError: an object is no image that `decode` takes.
    """
    source, mask = objects
    return webp(_overlay(_read(source, THUMBNAIL, decode, channel), _read(mask, THUMBNAIL, decode)))


def preview(source: NDArray[np.float32], mask: NDArray[np.bool_]) -> bytes:
    """Return a small WebP of a result: the mask's contour over the source, both reduced already."""
    return webp(overlay(display_grey(source), mask))


def webp(pixels: NDArray[np.uint8]) -> bytes:
    """Return pixels as WebP of at most PREVIEW_BYTES, or as near as it gets: noise is made coarser, then smaller."""
    picture = Image.fromarray(pixels)
    data = b""
    for side, quality in _WEBP_STEPS:
        smaller = picture.copy()
        smaller.thumbnail((side, side), Image.Resampling.BOX)
        buffer = BytesIO()
        smaller.save(buffer, "WEBP", quality=quality, method=2)
        data = buffer.getvalue()
        if len(data) <= PREVIEW_BYTES:
            break
    return data


@cache
def placeholder() -> bytes:
    """Grey stripes, in place of what cannot be shown."""
    row, column = np.indices((THUMBNAIL // 2, THUMBNAIL // 2))
    stripes = np.where((row + column) // 8 % 2, 150, 162).astype(np.uint8)
    return _png(stripes)


class _Pixels(NamedTuple):
    values: NDArray[np.float32]  # H×W, in the units of the file
    white: float  # the largest value that the file could hold, if it holds whole numbers

    @property
    def shares(self) -> NDArray[np.float32]:
        """The values of a mask or a probability map as shares, from 0 to 1."""
        return self.values / np.float32(self.white)


def _read(data: bytes, size: int | None, decode: Decode, channel: str = AUTO) -> _Pixels:
    image = decode(data, channel)
    values, white = image.pixels.astype(np.float32, copy=False), float(2**image.bit_depth - 1)
    if image.has_holes:  # no data, shown as dark as the darkest
        values = np.where(np.isnan(values), np.nanmin(values), values)
    if size is None or max(values.shape) <= size:
        return _Pixels(values, white)
    scale = size / max(values.shape)
    height, width = (max(1, round(side * scale)) for side in values.shape)
    # Averaged, as noise looks from afar; before the stretch, so that outliers do not decide about it.
    return _Pixels(np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BOX)), white)


def _source(source: _Pixels) -> NDArray[np.uint8]:
    return display_grey(source.values)


def _mask(mask: _Pixels) -> NDArray[np.uint8]:
    return (mask.shares * 255).round().astype(np.uint8)


def _probability(probability: _Pixels) -> NDArray[np.uint8]:
    return heatmap(probability.shares)


def _overlay(source: _Pixels, mask: _Pixels) -> NDArray[np.uint8]:
    return overlay(display_grey(source.values), mask.shares >= 0.5)


def _difference(source: _Pixels, first: _Pixels, second: _Pixels) -> NDArray[np.uint8]:
    """The source, and over it where the first mask alone is inside and the second."""
    if not source.values.shape == first.values.shape == second.values.shape:
        raise ImageError(ItemErrorCode.NOT_AN_IMAGE, "the masks differ in size")
    picture = np.repeat(display_grey(source.values)[..., None], 3, axis=2)
    one, other = first.shares >= 0.5, second.shares >= 0.5
    for place, colour in ((one & ~other, FIRST_ALONE), (other & ~one, SECOND_ALONE)):
        picture[place] = (picture[place] // 4 + np.array(colour) * 3 // 4).astype(np.uint8)
    return picture


_DRAWN: dict[Picture, Callable[..., NDArray[np.uint8]]] = {
    Picture.SOURCE: _source,
    Picture.MASK: _mask,
    Picture.PROBABILITY: _probability,
    Picture.OVERLAY: _overlay,
    Picture.TRUTH: _mask,
    Picture.CORRECTION: _mask,
    Picture.CORRECTED: _overlay,
    Picture.ERRORS: _difference,
}


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
