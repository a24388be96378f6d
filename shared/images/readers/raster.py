"""PNG, JPEG, BMP and WebP, through Pillow; PNG of 16 bits through imagecodecs, as Pillow halves its depth.

Pillow's plugin classes are used directly. `Image.open` would ask every plugin it knows, and it warns about
large images through `warnings`, which threads share; here a size is checked against the limits as soon as
the header is read, and pixels are decoded after that.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from shared.errors import ImageError, ItemErrorCode
from shared.images.decoded import DecodedImage, DecodeLimits, in_pixel_type
from shared.images.grey import luma, luma_of_cmyk
from shared.images.readers.containers import inflated, parse_png, parse_webp_header, without_exif

_BAND_ROWS = 1024
# Pillow's mode → ours.
_MODES = {
    "1": "grey",
    "L": "grey",
    "LA": "grey+alpha",
    "P": "palette",
    "RGB": "RGB",
    "RGBA": "RGB+alpha",
    "CMYK": "CMYK",
}


def read_png(data: bytes, limits: DecodeLimits) -> DecodedImage:
    """Any PNG of one frame, at its full depth."""
    png = parse_png(data)
    image = PngImageFile(BytesIO(png.data))
    limits.check(*image.size)
    if png.frames > 1:
        raise ImageError(ItemErrorCode.ANIMATED, f"an animated PNG of {png.frames} frames: submit single images")
    if not png.intact:  # Pillow skips the checksums of pixels
        raise ValueError("a chunk is cut short or its checksum is wrong")
    quick = inflated(png)
    if png.bit_depth == 16:
        return _read_png_of_16_bits(quick or png.data)
    return _load(PngImageFile(BytesIO(quick)) if quick else image, "PNG", png.bit_depth)


def read_jpeg(data: bytes, limits: DecodeLimits) -> DecodedImage:
    """Baseline and progressive JPEG of 8 bits: grey, YCbCr, RGB, CMYK and YCCK. EXIF orientation is ignored."""
    try:
        image = JpegImageFile(BytesIO(without_exif(data)))
    except SyntaxError as error:
        if "cannot handle" in str(error):  # 12-bit samples, or an unusual number of components
            raise ImageError(ItemErrorCode.UNSUPPORTED_FORMAT, "a JPEG that is not of 8 bits a sample") from error
        raise
    limits.check(*image.size)
    return _load(image, "JPEG", 8)


def read_bmp(data: bytes, limits: DecodeLimits) -> DecodedImage:
    """Windows and OS/2 bitmaps of 1 to 32 bits a pixel, plain or run-length coded."""
    try:
        image = BmpImageFile(BytesIO(data))
    except OSError as error:
        if "Unsupported" in str(error):  # a pixel depth, bit-field layout or compression
            raise ImageError(ItemErrorCode.UNSUPPORTED_FORMAT, "a BMP of an unusual layout") from error
        raise
    limits.check(*image.size)
    return _load(image, "BMP", 1 if image.mode == "1" else 8)


def read_webp(data: bytes, limits: DecodeLimits) -> DecodedImage:
    """Still WebP, lossy or lossless."""
    # Read by hand, since opening the file in libwebp already allocates the canvas.
    header = parse_webp_header(data)
    limits.check(header.width, header.height)
    if header.animated:
        raise ImageError(ItemErrorCode.ANIMATED, "an animated WebP: submit single images")
    return _load(WebPImageFile(BytesIO(data)), "WebP", 8)


def gif_is_animated(data: bytes) -> bool:
    """Whether a GIF has a second frame; False where its blocks cannot be followed that far."""
    try:
        return bool(GifImageFile(BytesIO(data)).is_animated)
    except Exception:  # the plugin raises whatever its parsing hits; the file is refused either way
        return False


def _load(image: ImageFile, format_name: str, bit_depth: int) -> DecodedImage:
    mode = _MODES[image.mode]
    # WebP and BMP headers announce an alpha channel that may be nothing but opaque; it is ignored anyway.
    image.load()
    if image.mode in ("1", "L", "LA"):
        return DecodedImage(in_pixel_type(np.asarray(image.getchannel(0))), format_name, mode, bit_depth)
    width, height = image.size
    pixels = np.empty((height, width), dtype=np.float32)
    for row in range(0, height, _BAND_ROWS):  # what is needed on the way is small beside the image
        last = min(row + _BAND_ROWS, height)
        pixels[row:last] = _luma(image.crop((0, row, width, last)))
    return DecodedImage(pixels, format_name, mode, bit_depth)


def _luma(image: Image.Image) -> NDArray[np.float32]:
    channels = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    return luma_of_cmyk(channels, full_ink=255) if image.mode == "CMYK" else luma(channels)


def _read_png_of_16_bits(data: bytes) -> DecodedImage:
    import imagecodecs  # not in a producer's installation, which reads no sources

    channels = imagecodecs.png_decode(data)  # H×W or H×W×C, uint16
    samples = channels.shape[2] if channels.ndim == 3 else 1
    if samples >= 3:
        return DecodedImage(luma(channels), "PNG", "RGB" if samples == 3 else "RGB+alpha", 16)
    grey = channels[..., 0] if samples == 2 else channels
    return DecodedImage(in_pixel_type(grey), "PNG", "grey" if samples == 1 else "grey+alpha", 16)
