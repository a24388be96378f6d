import os
from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from shared.errors import ImageError, ImageOutOfDisk, ItemErrorCode
from shared.images import scratch
from shared.images.codec import DecodeLimits, decode
from shared.images.large import PixelFile, decode_to_file

LIMITS = DecodeLimits(min_side=16, max_side=4096, max_pixels=10**6)
PATIENCE = 120


def grey(height=700, width=611, dtype=np.uint8):
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, top, (height, width), dtype=dtype, endpoint=True)


def colour():
    return np.random.default_rng(1).integers(0, 256, (700, 611, 3), dtype=np.uint8)


def tiff(pixels, **options):
    buffer = BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def pillow(pixels, name, **options):
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, name, **options)
    return buffer.getvalue()


ENCODINGS = {
    "tiled": lambda: tiff(grey(), tile=(256, 128), compression="zlib", predictor=True),
    "stripped": lambda: tiff(grey(), rowsperstrip=37, compression="lzw"),
    "one strip": lambda: tiff(grey(), rowsperstrip=700),
    "big-endian 16 bits": lambda: tiff(grey(dtype=np.uint16), byteorder=">", tile=(64, 64)),
    "white is zero": lambda: tiff(grey(), photometric="miniswhite", rowsperstrip=50),
    "signed": lambda: tiff(grey(dtype=np.int16) - np.int16(9), tile=(128, 128)),
    "float": lambda: tiff(grey().astype(np.float64) / 7, tile=(128, 128)),
    "RGB in tiles": lambda: tiff(colour(), tile=(128, 256), compression="zstd"),
    "RGB in planes": lambda: tiff(np.moveaxis(colour(), -1, 0), photometric="rgb", planarconfig="separate"),
    "bits": lambda: tiff(grey() > 99, rowsperstrip=100),
    "PNG": lambda: pillow(grey(), "PNG"),
    "PNG of 16 bits": lambda: pillow(grey(dtype=np.uint16), "PNG"),
    "JPEG": lambda: pillow(colour(), "JPEG", progressive=True),
    "palette": lambda: pillow(np.asarray(Image.fromarray(colour()).quantize(16)), "BMP"),
}


def decoded(data, limits=LIMITS):
    def source(descriptor):
        scratch.write(descriptor, data)
        return len(data)

    return decode_to_file(source, limits=limits, seconds=PATIENCE)


@pytest.mark.parametrize("name", ENCODINGS)
def test_the_pixels_in_the_file_are_those_of_the_codec(name):
    data = ENCODINGS[name]()
    whole = decode(data, limits=LIMITS)
    pixels, note = decoded(data)
    with pixels:
        assert note == whole.note
        assert (pixels.height, pixels.width) == whole.pixels.shape
        np.testing.assert_array_equal(np.concatenate(list(pixels.bands())), whole.pixels)
        np.testing.assert_array_equal(pixels.window(300, 200, 333, 100), whole.pixels[300:633, 200:300])


def test_the_first_of_several_pages_is_noted():
    pixels, note = decoded(tiff(np.stack([grey(), grey()])))
    with pixels:
        assert note == "pages: first of 2 pages"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", ItemErrorCode.EMPTY_FILE),
        (b"nothing", ItemErrorCode.NOT_AN_IMAGE),
        (ENCODINGS["tiled"]()[:-3000], ItemErrorCode.TRUNCATED),
        (ENCODINGS["PNG"]()[:-300], ItemErrorCode.TRUNCATED),
        (tiff(np.zeros((1000, 1001), np.uint8)), ItemErrorCode.TOO_LARGE),
        (pillow(np.zeros((1000, 1001), np.uint8), "PNG"), ItemErrorCode.TOO_LARGE),
        (tiff(np.zeros((15, 1001), np.uint8)), ItemErrorCode.TOO_SMALL),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(data, code):
    with pytest.raises(ImageError) as refusal:
        decoded(data)
    assert refusal.value.code is code


def test_a_pixel_that_is_no_number_fails_the_image_when_it_is_read():
    holed = grey().astype(np.float32)
    holed[650, 5] = np.nan
    pixels, _ = decoded(tiff(holed, tile=(128, 128)))
    with pixels:
        assert pixels.window(0, 0, 600, 611).shape == (600, 611)
        with pytest.raises(ImageError) as refusal:
            list(pixels.bands())
    assert refusal.value.code is ItemErrorCode.NOT_FINITE


def test_a_file_with_fewer_pixels_than_announced_fails_the_image():
    descriptor = scratch.create_on_disk()
    scratch.write(descriptor, bytes(100))
    with (
        PixelFile(descriptor, 0, (11, 10), np.dtype(np.uint8)) as pixels,
        pytest.raises(ImageError, match="fewer pixels"),
    ):
        list(pixels.bands())


def test_a_full_disk_is_not_the_images_fault():
    def source(_descriptor):
        raise OSError(28, os.strerror(28))

    with pytest.raises(ImageOutOfDisk, match=r"TMPDIR.*No space left"):
        decode_to_file(source, limits=LIMITS, seconds=PATIENCE)


def test_an_image_that_never_fits_on_the_disk_fails_with_that():
    lasting = ImageOutOfDisk("no room for a large image in TMPDIR").lasting
    assert lasting.code is ItemErrorCode.OUT_OF_DISK
    assert "TMPDIR" in str(lasting)
