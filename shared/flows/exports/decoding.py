"""Sources decoded for exports, in processes of their own and within the limits that the settings give.

Sources are files of strangers, wherever they are exported: they are decoded as the worker and the admin do it.
"""

import atexit
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from shared.config import Settings, load_settings
from shared.errors import ImageError, ItemErrorCode
from shared.images import scratch
from shared.images.decoded import DecodedImage, DecodeLimits
from shared.images.isolated import Decoders
from shared.images.large import PixelFile, decode_to_file

HELD_PIXELS = 4096**2
"""Of the largest picture that is decoded in memory: its decoding takes some 300 MB."""
_PROCESSES = 2


def decoded(source: bytes, channel: str) -> DecodedImage:
    """Decode a source, of it a choice of channels (`shared.images.channel_choice`).

    Raises:
        ImageError: it is no usable image, or has more than HELD_PIXELS.
    """
    return _decoders().decode(source, channel)


def decoded_any(source: bytes, channel: str) -> tuple[NDArray[np.generic], bool]:
    """Decode a source of any size that a worker accepts: H×W pixels, and whether those without data are NaN.

    Raises:
        ImageError: it is no usable image.
    """
    try:
        image = decoded(source, channel)
        return image.pixels, image.has_holes
    except ImageError as error:
        if error.code is not ItemErrorCode.TOO_LARGE:
            raise
    settings = load_settings()
    limits = _limits(settings, settings.max_image_pixels)
    pixels, _ = decode_to_file(
        partial(_written, source), limits=limits, seconds=settings.decode_seconds, channel=channel
    )
    with pixels:
        return _whole(pixels), pixels.has_holes


@cache
def _decoders() -> Decoders:
    settings = load_settings()
    limits = _limits(settings, min(HELD_PIXELS, settings.max_image_pixels))
    decoders = Decoders(limits, seconds=settings.decode_seconds, processes=_PROCESSES)
    atexit.register(decoders.close)
    return decoders


def _limits(settings: Settings, max_pixels: int) -> DecodeLimits:
    return DecodeLimits(1, settings.max_image_side, max_pixels, settings.max_source_bytes)


def _written(source: bytes, descriptor: int) -> int:
    scratch.write(descriptor, source)
    return len(source)


def _whole(file: PixelFile) -> NDArray[np.generic]:
    pixels = np.empty((file.height, file.width), dtype=file.dtype)
    row = 0
    for band in file.bands():
        pixels[row : row + len(band)] = band
        row += len(band)
    return pixels
