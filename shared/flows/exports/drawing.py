"""Pictures to look at in an export: sources with what was found drawn over them."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.flows.exports.decoding import decoded
from shared.flows.exports.export import NotExportable
from shared.images.codec import decode_mask
from shared.images.heatmap import display_grey, overlay


def shown(source: bytes, channel: str) -> NDArray[np.uint8]:
    """Return a source as greys to be looked at, H×W uint8: what the worker took of its channels.

    Raises:
        ImageError: it is no usable image, or too large to be drawn.
    """
    image = decoded(source, channel)
    pixels = image.pixels
    if image.has_holes:  # no data, shown as dark as the darkest
        pixels = np.where(np.isnan(pixels), np.nanmin(pixels), pixels).astype(np.float32)
    return display_grey(pixels)


def overlay_png(mask: bytes, source: bytes, channel: str) -> bytes:
    """Return a PNG of the mask's outline over its source.

    Raises:
        ImageError: one of them is damaged, or too large to be drawn.
        NotExportable: they have other sizes.
    """
    return _png(overlaid(decode_mask(mask), shown(source, channel)))


def thumbnail(mask: bytes, source: bytes, channel: str, side: int) -> bytes:
    """Return a small picture of the same, as a JPEG whose longest side is `side` px.

    Raises:
        ImageError: one of them is damaged, or too large to be drawn.
        NotExportable: they have other sizes.
    """
    found, grey = decode_mask(mask), shown(source, channel)
    _check(found, grey)
    scale = side / max(grey.shape)
    if scale < 1:
        size = tuple(max(1, round(length * scale)) for length in reversed(grey.shape))
        grey = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX))
        found = (
            np.asarray(Image.fromarray(found.view(np.uint8) * np.uint8(255)).resize(size, Image.Resampling.BOX)) > 127
        )
    buffer = BytesIO()
    Image.fromarray(overlay(grey, found)).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def overlaid(mask: NDArray[np.bool_], grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return H×W×3 RGB: the mask's outline over greys of the same size.

    Raises:
        NotExportable: they have other sizes.
    """
    _check(mask, grey)
    return overlay(grey, mask)


def _check(mask: NDArray[np.bool_], grey: NDArray[np.uint8]) -> None:
    if mask.shape != grey.shape:
        raise NotExportable("mask and source have other sizes: `admin audit --deep` looks at such")


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
