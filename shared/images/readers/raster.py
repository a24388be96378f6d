"""PNG, JPEG, BMP and WebP, through Pillow; PNG of 16 bits through imagecodecs, as Pillow halves its depth.

Pillow's plugin classes are used directly. `Image.open` would ask every plugin it knows, and it warns about
large images through `warnings`, which threads share; here a size is checked against the limits as soon as
the header is read, and pixels are decoded after that.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from shared.errors import ImageError, ItemErrorCode
from shared.images.channel_choice import AUTO
from shared.images.channels import Layout, Rendering
from shared.images.decoded import DecodedImage, DecodeLimits, in_pixel_type
from shared.images.notes import Note, NoteCode, joined
from shared.images.readers.containers import inflated, parse_png, parse_webp_header, without_exif
from shared.images.readers.jpeg_markers import parse_jpeg, require_few_scans, require_read
from shared.images.readers.orientation import orientation_notes

_BAND_ROWS = 1024
_LOOK_ROWS, _LOOKS = 64, 32  # of an image of more rows
_COLOURS = {"1": 1, "L": 1, "LA": 1, "RGB": 3, "RGBA": 3, "CMYK": 4}
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


def read_png(data: bytes, limits: DecodeLimits, channel: str = AUTO) -> DecodedImage:
    """Any PNG of one frame, at its full depth."""
    if data[12:16] == b"CgBI":  # before IHDR; its pixels are in another order, in a stream without a header
        reason = "a PNG in Apple's form for iPhones (CgBI): convert it to an ordinary one, as Preview or pngcrush do"
        raise ImageError(ItemErrorCode.UNSUPPORTED_FORMAT, reason)
    png = parse_png(data)
    image = PngImageFile(BytesIO(png.data))
    limits.check(*image.size)
    if png.frames > 1:
        raise ImageError(ItemErrorCode.ANIMATED, f"an animated PNG of {png.frames} frames: submit single images")
    if not png.intact:  # Pillow skips the checksums of pixels
        raise ValueError("a chunk is cut short or its checksum is wrong")
    quick = inflated(png)
    notes = orientation_notes(png.orientation)
    if png.bit_depth == 16:
        return _read_png_of_16_bits(quick or png.data, png.transparent, notes, channel)
    image = PngImageFile(BytesIO(quick)) if quick else image
    return _load(image, "PNG", png.bit_depth, notes, channel, transparent=png.transparent)


def read_jpeg(data: bytes, limits: DecodeLimits, channel: str = AUTO) -> DecodedImage:
    """JPEG of 8 bits, baseline, progressive or lossless: grey, YCbCr, RGB, CMYK and YCCK."""
    header = parse_jpeg(data)
    require_read(header)
    try:
        image = JpegImageFile(BytesIO(without_exif(data)))
    except SyntaxError as error:
        if "cannot handle" in str(error):  # 12-bit samples, or an unusual number of components
            raise ImageError(
                ItemErrorCode.UNSUPPORTED_FORMAT, "a JPEG that is not of 8 bits a sample: convert it to PNG or TIFF"
            ) from error
        raise
    limits.check(*image.size)
    require_few_scans(data)
    notes = orientation_notes(header.orientation)
    if header.pictures > 1:
        notes.append(Note(NoteCode.PAGES, f"first of {header.pictures} pictures"))
    return _load(image, "JPEG", 8, notes, channel)


def read_bmp(data: bytes, limits: DecodeLimits, channel: str = AUTO) -> DecodedImage:
    """Windows and OS/2 bitmaps of 1 to 32 bits a pixel, plain or run-length coded."""
    try:
        image = BmpImageFile(BytesIO(data))
    except OSError as error:
        if "Unsupported" in str(error):  # a pixel depth, bit-field layout or compression
            raise ImageError(
                ItemErrorCode.UNSUPPORTED_FORMAT, "a BMP of an unusual layout: convert it to PNG"
            ) from error
        raise
    limits.check(*image.size)
    return _load(image, "BMP", 1 if image.mode == "1" else 8, [], channel)


def read_webp(data: bytes, limits: DecodeLimits, channel: str = AUTO) -> DecodedImage:
    """Still WebP, lossy or lossless."""
    # Read by hand, since opening the file in libwebp already allocates the canvas.
    header = parse_webp_header(data)
    limits.check(header.width, header.height)
    if header.animated:
        raise ImageError(ItemErrorCode.ANIMATED, "an animated WebP: submit single images")
    return _load(WebPImageFile(BytesIO(data)), "WebP", 8, orientation_notes(header.orientation), channel)


def gif_is_animated(data: bytes) -> bool:
    """Whether a GIF has a second frame; False where its blocks cannot be followed that far."""
    try:
        return bool(GifImageFile(BytesIO(data)).is_animated)
    except Exception:  # the plugin raises whatever its parsing hits; the file is refused either way
        return False


def _load(
    image: ImageFile,
    format_name: str,
    bit_depth: int,
    notes: list[Note],
    channel: str,
    transparent: bytes | None = None,
) -> DecodedImage:
    mode = _MODES[image.mode]
    image.load()
    read = _Bands(image, bit_depth, transparent)
    if image.mode in ("1", "L") and read.key is None:
        Layout(1, 1, 255).require(channel)
        return DecodedImage(in_pixel_type(np.asarray(image)), format_name, mode, bit_depth, joined(notes=notes))
    width, height = image.size
    whole = read(0, height) if height <= _BAND_ROWS else None
    look = read.look() if whole is None else whole
    rendering = Rendering.of(look, Layout(read.colours, look.shape[2], 255, read.alpha), channel)
    if whole is not None:
        pixels = rendering.pixels(whole)
    else:
        first = rendering.pixels(look[:1])
        pixels = np.empty((*first.shape[:-2], height, width), dtype=first.dtype)
        for row in range(0, height, _BAND_ROWS):  # what is needed on the way is small beside the image
            pixels[..., row : row + _BAND_ROWS, :] = rendering.pixels(read(row, row + _BAND_ROWS))
    note = joined(notes=[*notes, *rendering.notes])
    return DecodedImage(pixels, format_name, mode, bit_depth, note, rendering.is_transparent)


class _Bands:
    """Rows of a loaded image as H×W×C: its colours, and alpha where some pixels may be transparent.

    Args:
        image: of one of the modes in `_MODES`.
        bit_depth: of the file's samples.
        transparent: what a PNG's tRNS says.
    """

    def __init__(self, image: ImageFile, bit_depth: int, transparent: bytes | None) -> None:
        self._image = image
        self.key = _transparency(image.mode, bit_depth, transparent)
        self.colours = _COLOURS.get(image.mode, 3)
        has_alpha = image.mode in ("LA", "RGBA") or self.key is not None
        if image.format == "BMP" and image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
            has_alpha = False  # those 8 bits are not in use
        self.alpha = self.colours if has_alpha else None

    def __call__(self, first: int, end: int) -> NDArray[np.uint8]:
        width, height = self._image.size
        end = min(end, height)
        band = self._image if end - first == height else self._image.crop((0, first, width, end))
        if band.mode == "P":
            colours = np.asarray(band.convert("RGB"))
            return colours if self.key is None else np.dstack([colours, self.key[np.asarray(band)]])
        channels = np.asarray(band if band.mode != "1" else band.convert("L"))
        if self.key is not None:
            seen = (np.atleast_3d(channels) != self.key).any(axis=2)
            channels = np.dstack([channels, seen * np.uint8(255)])
        return channels[..., : self.colours + (self.alpha is not None)]

    def look(self) -> NDArray[np.uint8]:
        """Some rows of a tall image."""
        rows = np.linspace(0, self._image.size[1] - _LOOK_ROWS, _LOOKS).astype(int)
        return np.concatenate([self(int(row), int(row) + _LOOK_ROWS) for row in rows])


def _transparency(mode: str, bit_depth: int, transparent: bytes | None) -> NDArray[np.uint8] | None:
    """The one colour that is transparent, as Pillow has it, or alpha by palette index; None where there is neither."""
    if transparent is None:
        return None
    if mode == "P":
        alpha = np.full(256, 255, dtype=np.uint8)
        some = transparent[:256]
        alpha[: len(some)] = np.frombuffer(some, dtype=np.uint8)
        return alpha
    colours = {"1": 1, "L": 1, "RGB": 3}.get(mode)
    if colours is None or len(transparent) != 2 * colours:
        return None
    largest = 2**bit_depth - 1
    stored = np.frombuffer(transparent, dtype=">u2")
    return None if stored.max() > largest else (stored * (255 // largest)).astype(np.uint8)


def _read_png_of_16_bits(data: bytes, transparent: bytes | None, notes: list[Note], channel: str) -> DecodedImage:
    import imagecodecs  # not in a producer's installation, which reads no sources

    channels = imagecodecs.png_decode(data)  # H×W or H×W×C, uint16
    samples = channels.shape[2] if channels.ndim == 3 else 1
    mode = {1: "grey", 2: "grey+alpha", 3: "RGB", 4: "RGB+alpha"}[samples]
    has_key = transparent is not None and samples in (1, 3) and len(transparent) == 2 * samples
    if samples == 1 and not has_key:
        Layout(1, 1, 65535).require(channel)
        return DecodedImage(in_pixel_type(channels), "PNG", mode, 16, joined(notes=notes))
    if has_key:
        seen = (np.atleast_3d(channels) != np.frombuffer(transparent or b"", dtype=">u2")).any(axis=2)
        channels = np.dstack([channels, seen * np.uint16(65535)])
    colours = 1 if samples <= 2 else 3
    alpha = colours if channels.shape[2] > colours else None
    rendering = Rendering.of(channels, Layout(colours, channels.shape[2], 65535, alpha), channel)
    note = joined(notes=[*notes, *rendering.notes])
    return DecodedImage(rendering.pixels(channels), "PNG", mode, 16, note, rendering.is_transparent)
