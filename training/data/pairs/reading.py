"""One pair as it is trained on: the image's pixels, and the foreground of its mask, pixel on pixel."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import UsageError
from shared.images.channel_choice import AUTO, planes_word
from shared.images.decoded import DecodedImage, Pixels, in_pixel_type
from shared.images.pairs.foreground import Rule
from shared.images.pairs.layout import Pair
from shared.images.pairs.masks import (
    LIMITS,
    Kind,
    RawMask,
    bytes_of,
    checked_decode,
    orientation_of,
    read_array,
    read_mask,
)

_ORIENTATION = re.compile(r"orientation ([2-8])")
TRANSPARENT = "transparent in places"


def read_pair(pair: Pair, rules: Mapping[Kind, Rule], channels: int = 1) -> tuple[Pixels, NDArray[np.bool_]]:
    """Read the image in its own units, (H, W) or, of several channels, (C, H, W), and the mask.

    Raises:
        UsageError: a file cannot be used, or the two do not lie on each other.
    """
    raw = read_mask(pair.masks)
    pixels = fitted(pair, read_image(pair.image, channels), raw)
    return pixels, rules[raw.kind].apply(raw)


def read_image(path: Path, channels: int = 1) -> DecodedImage:
    """Decode an image as the worker does for a model of so many channels, or take an array as it is.

    Raises:
        UsageError: it cannot be used.
    """
    if path.suffix.lower() != ".npy":
        return checked_decode(path, bytes_of(path), planes_word(channels) if channels > 1 else AUTO)
    pixels = in_pixel_type(read_array(path))
    if min(pixels.shape) < LIMITS.min_side:
        raise UsageError(f"{path} is {_size(pixels)}: the shortest side accepted is {LIMITS.min_side} px")
    return DecodedImage(pixels, "npy", "grey", 8 * pixels.dtype.itemsize)


def fitted(pair: Pair, image: DecodedImage, mask: RawMask) -> Pixels:
    """Return the image's pixels under those of its mask.

    Both are as stored where their files are shown turned alike. Where the image alone is, the sides of the two tell
    whether the mask was drawn on what is shown.

    Raises:
        UsageError: the two differ in size, or nothing tells how they lie on each other.
    """
    turn, pixels = orientation_of(image), image.pixels
    if turn == mask.orientation:
        if pixels.shape[-2:] != mask.samples.shape:
            sizes = f"is {_size(mask.samples)}, its image is {_size(pixels)}"
            raise UsageError(f"{pair.masks[0]} {sizes}: a pair has one size")
        return pixels
    shown = shown_pixels(pixels, turn)
    fits = [each for each in (pixels, shown) if each.shape[-2:] == mask.samples.shape]
    if mask.orientation or len(fits) != 1:
        raise UsageError(
            f"{pair.image if turn else pair.masks[0]} is shown turned, and the other file of the pair is not, or not "
            "alike: save image and mask as they are shown"
        )
    return fits[0]


def check_alpha(pair: Pair, mask: RawMask, asked: object) -> None:
    """Check that nothing of a mask is hidden in its transparency, unless it was said what counts.

    Raises:
        UsageError: something may be.
    """
    if mask.alpha is not None and asked is None:
        raise UsageError(
            f"{pair.masks[0]} {TRANSPARENT}: set data.foreground to alpha where that is the mask, to nonzero where its "
            "colours are"
        )


def shown_pixels(pixels: Pixels, note: str) -> Pixels:
    """Turn pixels as a viewer shows them, by the note of their orientation (EXIF's numbers)."""
    found = _ORIENTATION.search(note)
    match int(found[1]) if found else 1:
        case 2:
            return pixels[..., ::-1]
        case 3:
            return pixels[..., ::-1, ::-1]
        case 4:
            return pixels[..., ::-1, :]
        case 5:
            return pixels.swapaxes(-2, -1)
        case 6:
            return np.rot90(pixels, -1, axes=(-2, -1))
        case 7:
            return pixels[..., ::-1, ::-1].swapaxes(-2, -1)
        case 8:
            return np.rot90(pixels, axes=(-2, -1))
        case _:
            return pixels


def _size(pixels: NDArray[np.generic]) -> str:
    return f"{pixels.shape[-1]}×{pixels.shape[-2]} px"
