"""decode: every format, mode and depth comes back as its grey picture; everything else as one ImageError."""

import logging
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from PIL.WebPImagePlugin import WebPImageFile

from shared.errors import ImageError, ItemErrorCode
from shared.images.codec import DecodedImage, DecodeLimits, decode
from shared.images.readers import tiff
from tests.corpus.damage import BAD_BYTES, png_bomb
from tests.corpus.encodings import ENCODINGS
from tests.corpus.scenes import picture

LIMITS = DecodeLimits(min_side=16, max_side=4096)
PICTURE = picture(147, 101, seed=4)  # sides that no tile, strip, word or chroma block divides

every_encoding = pytest.mark.parametrize("name", ENCODINGS)


@pytest.fixture(scope="module")
def encoded() -> dict[str, bytes]:
    return {name: encoding.encode(PICTURE) for name, encoding in ENCODINGS.items()}


def refusal(data: bytes, limits: DecodeLimits = LIMITS) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode(data, limits=limits)
    return caught.value


@every_encoding
def test_each_encoding_comes_back_as_its_grey_picture(name, encoded):
    encoding = ENCODINGS[name]
    image = decode(encoded[name], limits=LIMITS)
    is_stored_grey = encoding.mode.startswith("grey") or name == "tiff-ycbcr"
    whole = {1: np.uint8, 8: np.uint8, 16: np.uint16} if is_stored_grey else {}
    assert image.pixels.dtype == whole.get(encoding.bit_depth, np.float32)
    assert (image.height, image.width) == PICTURE.shape
    error = np.abs(image.pixels - encoding.expected_pixels(PICTURE)).mean() / encoding.gain
    assert error <= encoding.tolerance
    assert (image.format, image.mode, image.bit_depth) == (encoding.format, encoding.mode, encoding.bit_depth)
    assert image.note == encoding.note


@every_encoding
@pytest.mark.parametrize("sides", [(16, 16), (17, 31)])
def test_the_smallest_sizes_are_read(name, sides):
    grey = picture(*sides, seed=1)
    assert decode(ENCODINGS[name].encode(grey), limits=LIMITS).pixels.shape == grey.shape


def test_colour_is_weighed_as_luma_at_full_depth():
    colours = np.zeros((16, 16, 3), dtype=np.uint16)
    colours[...] = (1000, 20001, 65535)
    image = decode(imagecodecs.png_encode(colours), limits=LIMITS)
    np.testing.assert_allclose(image.pixels, 0.299 * 1000 + 0.587 * 20001 + 0.114 * 65535, rtol=1e-6)


def test_ink_is_the_opposite_of_light():
    ink = np.zeros((16, 16, 4), dtype=np.uint8)
    ink[:8, :, 0] = 255  # cyan: no red
    ink[8:, :, 3] = 255  # black
    buffer = BytesIO()
    tifffile.imwrite(buffer, ink, photometric="separated", metadata=None)
    pixels = decode(buffer.getvalue(), limits=LIMITS).pixels
    np.testing.assert_allclose(pixels[:8], (0.587 + 0.114) * 255, rtol=1e-6)
    assert not pixels[8:].any()


@pytest.mark.parametrize("name", BAD_BYTES)
def test_bad_files_have_their_code_and_a_reason_of_one_printable_line(name):
    make, code = BAD_BYTES[name]
    error = refusal(make())
    assert error.code == code
    assert str(error).isprintable()
    assert 10 < len(str(error)) < 120


@every_encoding
def test_a_file_cut_short_is_truncated(name, encoded):
    data = encoded[name]
    for kept in (30, len(data) // 4, len(data) // 3):
        assert refusal(data[:kept]).code is ItemErrorCode.TRUNCATED


@every_encoding
def test_sides_are_checked_before_any_pixel_is_decoded(name, encoded, monkeypatch):
    def decodes_pixels(*args, **kwargs):
        raise AssertionError("a decoder was started")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decodes_pixels)
    monkeypatch.setattr(WebPImageFile, "_open", decodes_pixels)
    monkeypatch.setattr(imagecodecs, "png_decode", decodes_pixels)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", decodes_pixels)
    too_large = refusal(encoded[name], DecodeLimits(min_side=16, max_side=146))
    assert too_large.code is ItemErrorCode.TOO_LARGE
    assert "147×101" in str(too_large)
    assert "146" in str(too_large)
    assert refusal(encoded[name], DecodeLimits(min_side=102, max_side=4096)).code is ItemErrorCode.TOO_SMALL


def test_limits_include_their_ends(encoded):
    assert decode(encoded["png-grey"], limits=DecodeLimits(min_side=101, max_side=147)).width == 147


def test_a_bomb_is_refused_whatever_pillow_thinks_of_its_size():
    """Pillow warns above 89 megapixels and raises above 179; here the limits alone decide."""
    assert refusal(png_bomb()).code is ItemErrorCode.TOO_LARGE
    within = refusal(png_bomb(side=12_000), DecodeLimits(min_side=16, max_side=65_535))
    assert within.code is ItemErrorCode.TRUNCATED


def tiff_with(tag: int, value: int, data: bytes) -> bytes:
    """`data`, a little-endian TIFF, with the value of one short or long tag overwritten."""
    with tifffile.TiffFile(BytesIO(data)) as file:
        found = file.pages.first.tags[tag]
        code = {3: "<H", 4: "<I"}[int(found.dtype)]
        at = found.valueoffset
    return data[:at] + struct.pack(code, value) + data[at + struct.calcsize(code) :]


@pytest.mark.parametrize(("tag", "value"), [(322, 65520), (323, 65520)], ids=["TileWidth", "TileLength"])
def test_a_tile_larger_than_any_image_is_refused_from_the_header(tag, value, encoded):
    assert refusal(tiff_with(tag, value, encoded["tiff-tiled"])).code is ItemErrorCode.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("value", [5, 32845, 8], ids=["CMYK", "LogLuv", "CIELab"])
def test_colour_spaces_without_a_plain_grey_are_unsupported(value, encoded):
    assert refusal(tiff_with(262, value, encoded["tiff-grey"])).code is ItemErrorCode.UNSUPPORTED_FORMAT


def test_an_unknown_compression_is_unsupported(encoded):
    assert refusal(tiff_with(259, 65123, encoded["tiff-lzw"])).code is ItemErrorCode.UNSUPPORTED_FORMAT


def chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


@pytest.mark.parametrize(
    "metadata",
    [
        chunk(b"acTL", struct.pack(">II", 0, 0)),  # Pillow warns: invalid APNG
        chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(10**8), 1)),  # Pillow refuses: too much text
        chunk(b"eXIf", b"II*\0\xff\xff\xff\xff" * 9),
        chunk(b"tRNS", b"\0\1" * 3),
    ],
    ids=["broken acTL", "text bomb", "broken EXIF", "tRNS of another mode"],
)
def test_png_metadata_neither_warns_nor_fails(metadata, encoded):
    """Warnings are errors in tests."""
    header_end = 33
    png = encoded["png-grey"]
    image = decode(png[:header_end] + metadata + png[header_end:], limits=LIMITS)
    assert np.array_equal(image.pixels, PICTURE)


@pytest.mark.parametrize("name", [name for name in ENCODINGS if name.startswith("png")])
def test_a_png_with_a_flipped_bit_is_refused(name, encoded):
    data = bytearray(encoded[name])
    data[len(data) // 2] ^= 1
    assert refusal(bytes(data)).code is ItemErrorCode.TRUNCATED


@pytest.mark.parametrize("junk", [b"", b"\xff\x00", b"\xff\xff\xff"], ids=["plain", "behind junk", "behind filling"])
def test_broken_exif_in_a_jpeg_neither_warns_nor_fails(junk, encoded):
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0" + b"\xff" * 60
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    jpeg = encoded["jpeg-grey"]
    plain = decode(jpeg, limits=LIMITS).pixels
    assert np.array_equal(decode(jpeg[:2] + junk + segment + jpeg[2:], limits=LIMITS).pixels, plain)


def test_the_library_logs_nothing_about_a_damaged_tiff(encoded, caplog):
    assert tiff.LOGGER.name == tifffile.__name__  # its level is set where the reader is imported, before any test
    caplog.set_level(logging.DEBUG)
    data = bytearray(encoded["tiff-lzw"])
    data[20:60] = b"\xff" * 40
    refusal(bytes(data))
    assert not caplog.records


def test_pillow_is_left_to_refuse_truncated_files():
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    assert Image.MAX_IMAGE_PIXELS == 89_478_485  # Pillow's own default


def test_threads_decode_alike(encoded):
    jobs = [data for data in encoded.values() for _ in range(4)]
    with ThreadPoolExecutor(8) as threads:
        parallel = list(threads.map(lambda data: decode(data, limits=LIMITS).pixels, jobs))
    for data, pixels in zip(jobs, parallel, strict=True):
        assert np.array_equal(decode(data, limits=LIMITS).pixels, pixels)


SMALL = {name: encoding.encode(picture(40, 24, seed=2)) for name, encoding in ENCODINGS.items()}


@given(st.data())
@settings(max_examples=250, deadline=None)
def test_mutated_bytes_give_an_image_or_an_image_error(draw):
    """Headers are where the harm is: most changes fall on the first bytes."""
    data = bytearray(SMALL[draw.draw(st.sampled_from(sorted(SMALL)))])
    near = st.integers(0, min(len(data), 260) - 1)
    for at in draw.draw(st.lists(near | st.integers(0, len(data) - 1), min_size=1, max_size=6)):
        data[at] = draw.draw(st.sampled_from([0, 1, 2, 127, 128, 255]) | st.integers(0, 255))
    data = data[: draw.draw(st.just(len(data)) | st.integers(0, len(data)))]
    try:
        image = decode(bytes(data), limits=LIMITS)
    except ImageError:
        return
    assert isinstance(image, DecodedImage)
    assert image.pixels.ndim == 2
    assert np.isfinite(image.pixels[~np.isnan(image.pixels)] if image.has_holes else image.pixels).all()
    assert all(16 <= side <= 4096 for side in image.pixels.shape)


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_an_image_error(data):
    refusal(data)
