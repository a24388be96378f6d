"""TIFF and BigTIFF through tifffile: strips and tiles, chunky and planar, plain and compressed."""

import logging
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage

from shared.errors import ImageError, ItemErrorCode
from shared.images.decoded import DecodedImage, DecodeLimits, Pixels, in_pixel_type
from shared.images.grey import luma, luma_of_cmyk
from shared.images.notes import Note, NoteCode, joined
from shared.images.readers.tiff_segments import require_sound_jpeg, require_sound_lzw

# It logs each oddity of a damaged file; the outcome reaches the user as one reason instead.
logging.getLogger(tifffile.__name__).setLevel(logging.CRITICAL)

MAX_SAMPLES = 5
"""Most samples a pixel: CMYK and alpha. A header may announce 65,535, each the size of the image."""

MAX_TILE_SIDE = 4096
"""Longest side of a tile, in pixels. A header may announce any, and a tile is decoded as a whole."""

_SAMPLES_NEEDED = {
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.PALETTE: 1,
    PHOTOMETRIC.SEPARATED: 4,
    PHOTOMETRIC.YCBCR: 3,
}
_MODES = {
    PHOTOMETRIC.MINISWHITE: "grey",
    PHOTOMETRIC.MINISBLACK: "grey",
    PHOTOMETRIC.RGB: "RGB",
    PHOTOMETRIC.PALETTE: "palette",
    PHOTOMETRIC.SEPARATED: "CMYK",
    PHOTOMETRIC.YCBCR: "YCbCr",
}
# Those whose decoders withstand hostile bytes; the library knows some forty, of every quality.
_COMPRESSIONS = (
    COMPRESSION.NONE,
    COMPRESSION.LZW,
    COMPRESSION.ADOBE_DEFLATE,
    COMPRESSION.DEFLATE,
    COMPRESSION.PACKBITS,
    COMPRESSION.JPEG,
    COMPRESSION.ZSTD,
    COMPRESSION.LZMA,
)


def read(data: bytes, limits: DecodeLimits) -> DecodedImage:
    """The first page: grey, palette, RGB, YCbCr or CMYK of 1 to 64 bits a sample, integer or float."""
    with TiffFile(BytesIO(data)) as tiff:
        page = first_page(tiff, data, limits)
        return DecodedImage(
            pixels=grey(page, channels(page)),
            format="TIFF",
            mode=mode(page),
            bit_depth=page.bitspersample,
            note=note(tiff),
        )


def first_page(tiff: TiffFile, data: bytes, limits: DecodeLimits) -> TiffPage:
    """The first page, once everything about it was looked at that decoding its strips or tiles relies on."""
    page = tiff.pages.first
    if not isinstance(page, TiffPage):
        raise TypeError("the first page has no tags of its own")
    limits.check(page.imagewidth, page.imagelength)
    _require_supported(page)
    _require_sound_segments(page, data)
    return page


def mode(page: TiffPage) -> str:
    """What the page holds, see `DecodedImage`."""
    photometric = PHOTOMETRIC(page.photometric)
    return _MODES[photometric] + ("+alpha" if page.samplesperpixel > _SAMPLES_NEEDED[photometric] else "")


def note(tiff: TiffFile) -> str | None:
    """What the reader of the result should know."""
    pages = len(tiff.pages)
    return joined(notes=[Note(NoteCode.PAGES, f"first of {pages} pages")]) if pages > 1 else None


def channels(page: TiffPage) -> NDArray[Any]:
    """Read the samples as stored: H×W×C."""
    stored = page.asarray(squeeze=False, maxworkers=1)  # planes × depth × H × W × samples
    return np.moveaxis(stored[:, 0], 0, -1)[..., 0, :] if stored.shape[0] > 1 else stored[0, 0]


def grey(page: TiffPage, channels: NDArray[Any]) -> Pixels:
    """Make samples as stored, H×W×C, grey: H×W."""
    largest = 2**page.bitspersample - 1 if channels.dtype.kind in "bu" else 0
    # A float64 beyond float32's range becomes infinite here, and is refused as such by the caller.
    with np.errstate(over="ignore"):
        match page.photometric:
            case PHOTOMETRIC.MINISWHITE:
                samples = in_pixel_type(channels[..., 0])
                return samples.dtype.type(largest) - samples
            case PHOTOMETRIC.RGB:
                return luma(channels)
            case PHOTOMETRIC.PALETTE:
                colours = luma(np.moveaxis(_colormap(page), 0, -1)[None])[0]  # 0..65535, whatever the depth
                shades: NDArray[np.float32] = colours[channels[..., 0]]
                return shades
            case PHOTOMETRIC.SEPARATED:
                return luma_of_cmyk(channels, largest)
            case PHOTOMETRIC.YCBCR if page.compression == COMPRESSION.JPEG:
                return luma(channels)
            case _:  # grey, or the Y of YCbCr, which is the luma wanted
                return in_pixel_type(channels[..., 0])


def _colormap(page: TiffPage) -> NDArray[np.uint16]:
    if page.colormap is None:
        raise ValueError("a palette image without its palette")
    return page.colormap


def _require_supported(page: TiffPage) -> None:
    """Refuse what cannot be turned into one grey image, by its header."""
    photometric = PHOTOMETRIC(page.photometric) if page.photometric in _SAMPLES_NEEDED else None
    if photometric is None:
        layout = "of an unusual colour space"
    elif not _SAMPLES_NEEDED[photometric] <= page.samplesperpixel <= MAX_SAMPLES:
        layout = f"of {page.samplesperpixel} channels"
    elif page.imagedepth != 1:
        layout = f"of a volume, {page.imagedepth} slices deep"
    elif page.dtype is None or page.dtype.kind not in "buif":
        layout = f"of {page.bitspersample}-bit samples of an unusual kind"
    elif photometric is PHOTOMETRIC.SEPARATED and page.dtype.kind != "u":
        layout = "of inks that are not whole numbers"
    elif photometric is PHOTOMETRIC.PALETTE and page.dtype.kind not in "bu":
        layout = "of palette entries that are not whole numbers"
    elif page.is_tiled and max(page.tilewidth, page.tilelength) > MAX_TILE_SIDE:
        layout = f"of tiles of {page.tilewidth}×{page.tilelength} px"
    elif page.compression not in _COMPRESSIONS or (page.fillorder != 1 and page.compression != COMPRESSION.NONE):
        layout = "of an unusual compression"
    else:
        return
    raise ImageError(ItemErrorCode.UNSUPPORTED_FORMAT, f"a TIFF {layout}: convert it to plain grey or RGB")


def _require_sound_segments(page: TiffPage, data: bytes) -> None:
    """Each strip or tile lies inside the file, for the library would fill in a missing one without a word."""
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    present = [count > 0 and 0 < offset <= len(data) - count for offset, count in segments]
    if len(segments) < prod(page.chunked) or not all(present):
        raise ImageError(ItemErrorCode.TRUNCATED, "the TIFF ends early: some of its strips or tiles are missing")
    for offset, count in segments:
        if page.compression == COMPRESSION.LZW:
            require_sound_lzw(data[offset : offset + count])
        elif page.compression == COMPRESSION.JPEG:
            require_sound_jpeg(data[offset : offset + count], MAX_TILE_SIDE)
