"""One grey picture, written in each of the ways that a supported file can hold it."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.uint8]  # H×W
_TURNED = "orientation: orientation 6 (a quarter turn) is not applied, the mask lies over the pixels as stored"


@dataclass(frozen=True)
class Encoding:
    """A way to write a picture, and what must come back."""

    extension: str
    encode: Callable[[Grey], bytes]
    format: str  # as DecodedImage.format
    mode: str  # as DecodedImage.mode
    bit_depth: int = 8
    gain: float = 1.0  # decoded ≈ gain · picture + offset
    offset: float = 0.0
    tolerance: float = 0.01  # largest mean error, in grey levels of the picture
    note: str | None = None
    opacity: Callable[[Grey], NDArray[np.float64]] | None = None  # H×W in [0, 1]; what it lets through is white

    def expected_pixels(self, grey: Grey) -> NDArray[np.float64]:
        """What decoding should give, H×W, in the units of the file."""
        if self.bit_depth == 1:
            return _bilevel(grey).astype(float)
        if self.opacity is not None:
            opacity = self.opacity(grey)
            return self.gain * (opacity * grey + 255 * (1 - opacity))
        return self.gain * grey.astype(float) + self.offset


def _pillow(format_name: str, mode: str, **options: Any) -> Callable[[Grey], bytes]:
    def encode(grey: Grey) -> bytes:
        buffer = BytesIO()
        image = Image.fromarray(grey)
        if mode == "P":  # a palette in reverse, so that an index taken for an intensity shows
            image = Image.fromarray(255 - grey)
            image.putpalette([255 - level for level in range(256) for _ in "RGB"])
        if mode == "1":  # convert("1") would dither
            image = Image.fromarray(_bilevel(grey))
        image.convert(mode).save(buffer, format_name, **options)
        return buffer.getvalue()

    return encode


def _tiff(shape: Callable[[Grey], NDArray[Any]], bigtiff: bool = False, **options: Any) -> Callable[[Grey], bytes]:
    options.setdefault("photometric", "minisblack")
    # tifffile would take more than one channel or page for ImageJ-like "shaped" metadata; plain files are meant.
    options.setdefault("metadata", None)
    byteorder = options.pop("byteorder", "<")

    def encode(grey: Grey) -> bytes:
        buffer = BytesIO()
        with tifffile.TiffWriter(buffer, bigtiff=bigtiff, byteorder=byteorder) as file:
            file.write(shape(grey), **options)
        return buffer.getvalue()

    return encode


def _sixteen(grey: Grey) -> NDArray[np.uint16]:
    return grey.astype(np.uint16) * np.uint16(257)


def _rgb(grey: NDArray[Any]) -> NDArray[Any]:
    return np.stack([grey] * 3, axis=-1)


def _with_alpha(channels: NDArray[Any]) -> NDArray[Any]:
    """Alpha of a ramp, so that a decoder that ignored it would be seen."""
    alpha = np.iinfo(channels.dtype).max * _ramp(channels)[..., None]
    return np.concatenate([np.atleast_3d(channels), alpha.astype(channels.dtype)], axis=-1)


def _ramp(picture: NDArray[Any]) -> NDArray[np.float64]:
    height, width = picture.shape[:2]
    return np.linspace(0.2, 1, height * width).reshape(height, width)


def _bilevel(grey: Grey) -> NDArray[np.bool_]:
    return grey > 127


def _png16(shape: Callable[[Grey], NDArray[Any]]) -> Callable[[Grey], bytes]:
    return lambda grey: bytes(imagecodecs.png_encode(np.ascontiguousarray(shape(grey)), level=1))


def _rotated_by_exif(grey: Grey) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me by 90° to show me"
    return _pillow("JPEG", "L", quality=95, exif=exif)(grey)


def _cmyk(grey: Grey) -> NDArray[np.uint8]:
    return np.stack([0 * grey] * 3 + [255 - grey], axis=-1)


def _two_pages(grey: Grey) -> NDArray[np.uint8]:
    return np.stack([grey, 255 - grey])


def _palette_tiff(grey: Grey) -> bytes:
    colormap = _rgb(np.arange(255, -1, -1, dtype=np.uint16) * np.uint16(257)).T
    return _tiff(lambda picture: 255 - picture, photometric="palette", colormap=colormap)(grey)


ENCODINGS: dict[str, Encoding] = {
    "png-grey": Encoding(".png", _pillow("PNG", "L", compress_level=1), "PNG", "grey"),
    "png-grey-alpha": Encoding(".png", _pillow("PNG", "LA", compress_level=1), "PNG", "grey+alpha"),
    "png-rgb": Encoding(".png", _pillow("PNG", "RGB", compress_level=1), "PNG", "RGB"),
    "png-rgb-transparent": Encoding(
        ".png", _pillow("PNG", "RGB", compress_level=1, transparency=(9, 9, 9)), "PNG", "RGB"
    ),
    "png-rgba": Encoding(".png", _pillow("PNG", "RGBA", compress_level=1), "PNG", "RGB+alpha"),
    "png-palette": Encoding(".png", _pillow("PNG", "P", compress_level=1), "PNG", "palette"),
    "png-palette-transparent": Encoding(
        ".png",
        _pillow("PNG", "P", compress_level=1, transparency=bytes(range(256))),
        "PNG",
        "palette",
        opacity=lambda grey: 1 - grey / 255,
    ),
    "png-1-bit": Encoding(".png", _pillow("PNG", "1"), "PNG", "grey", 1),
    "png-16-grey": Encoding(".png", _png16(_sixteen), "PNG", "grey", 16, gain=257),
    "png-16-rgb": Encoding(".png", _png16(lambda grey: _rgb(_sixteen(grey))), "PNG", "RGB", 16, gain=257),
    "png-16-rgba": Encoding(
        ".png", _png16(lambda grey: _with_alpha(_rgb(_sixteen(grey)))), "PNG", "RGB+alpha", 16, gain=257, opacity=_ramp
    ),
    "jpeg-grey": Encoding(".jpg", _pillow("JPEG", "L", quality=95), "JPEG", "grey", tolerance=3),
    "jpeg-rgb": Encoding(".jpeg", _pillow("JPEG", "RGB", quality=95), "JPEG", "RGB", tolerance=3),
    "jpeg-progressive": Encoding(
        ".jpe", _pillow("JPEG", "RGB", quality=95, progressive=True), "JPEG", "RGB", tolerance=3
    ),
    "jpeg-cmyk": Encoding(".jpg", _pillow("JPEG", "CMYK", quality=95), "JPEG", "CMYK", tolerance=3),
    "jpeg-exif-rotated": Encoding(".jpg", _rotated_by_exif, "JPEG", "grey", tolerance=3, note=_TURNED),
    "tiff-grey": Encoding(".tif", _tiff(np.asarray), "TIFF", "grey"),
    "tiff-1-bit": Encoding(".tif", _tiff(_bilevel), "TIFF", "grey", 1),
    "tiff-16": Encoding(".tiff", _tiff(_sixteen), "TIFF", "grey", 16, gain=257),
    "tiff-16-big-endian": Encoding(".tif", _tiff(_sixteen, byteorder=">"), "TIFF", "grey", 16, gain=257),
    "tiff-int32": Encoding(
        ".tif", _tiff(lambda grey: grey.astype(np.int32) * 1000 - 5), "TIFF", "grey", 32, gain=1000, offset=-5
    ),
    "tiff-float32": Encoding(
        ".tif", _tiff(lambda grey: grey.astype(np.float32) / 255), "TIFF", "grey", 32, gain=1 / 255
    ),
    "tiff-float64": Encoding(".tif", _tiff(lambda grey: grey.astype(float) / 8), "TIFF", "grey", 64, gain=1 / 8),
    "tiff-white-is-zero": Encoding(".tif", _tiff(lambda grey: 255 - grey, photometric="miniswhite"), "TIFF", "grey"),
    "tiff-lzw": Encoding(".tif", _tiff(_sixteen, compression="lzw"), "TIFF", "grey", 16, gain=257),
    "tiff-deflate-predictor": Encoding(
        ".tif", _tiff(_sixteen, compression="zlib", predictor=True), "TIFF", "grey", 16, gain=257
    ),
    "tiff-jpeg": Encoding(".tif", _tiff(_rgb, compression="jpeg", photometric="rgb"), "TIFF", "YCbCr", tolerance=3),
    "tiff-ycbcr": Encoding(".tif", _pillow("TIFF", "YCbCr", compression="tiff_lzw"), "TIFF", "YCbCr", tolerance=0.5),
    "tiff-rgb": Encoding(".tif", _tiff(_rgb, photometric="rgb"), "TIFF", "RGB"),
    "tiff-16-rgb-planar": Encoding(
        ".tif",
        _tiff(lambda grey: np.moveaxis(_rgb(_sixteen(grey)), -1, 0), photometric="rgb", planarconfig="separate"),
        "TIFF",
        "RGB",
        16,
        gain=257,
    ),
    "tiff-rgba": Encoding(
        ".tif",
        _tiff(lambda grey: _with_alpha(_rgb(grey)), photometric="rgb", extrasamples=["unassalpha"]),
        "TIFF",
        "RGB+alpha",
        tolerance=0.5,
        opacity=_ramp,
    ),
    "tiff-tiled": Encoding(".tif", _tiff(_rgb, photometric="rgb", tile=(64, 48), compression="lzw"), "TIFF", "RGB"),
    "tiff-palette": Encoding(".tif", _palette_tiff, "TIFF", "palette", gain=257),
    "tiff-cmyk": Encoding(".tif", _tiff(_cmyk, photometric="separated"), "TIFF", "CMYK"),
    "tiff-two-pages": Encoding(".tif", _tiff(_two_pages), "TIFF", "grey", note="pages: first of 2 pages"),
    "bigtiff": Encoding(".tif", _tiff(np.asarray, bigtiff=True), "TIFF", "grey"),
    "bmp-grey": Encoding(".bmp", _pillow("BMP", "L"), "BMP", "grey"),
    "bmp-rgb": Encoding(".bmp", _pillow("BMP", "RGB"), "BMP", "RGB"),
    "bmp-palette": Encoding(".bmp", _pillow("BMP", "P"), "BMP", "palette"),
    "bmp-1-bit": Encoding(".bmp", _pillow("BMP", "1"), "BMP", "grey", 1),
    "webp-lossy": Encoding(".webp", _pillow("WEBP", "RGB", quality=90, method=0), "WebP", "RGB", tolerance=6),
    "webp-lossless": Encoding(".webp", _pillow("WEBP", "RGB", lossless=True, method=0), "WebP", "RGB"),
    "webp-alpha": Encoding(".webp", _pillow("WEBP", "RGBA", quality=90, method=0), "WebP", "RGB", tolerance=6),
}
