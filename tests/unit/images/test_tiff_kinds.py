"""Sound TIFFs of unusual kinds: read as a whole and by windows alike, or refused by what they are."""

from io import BytesIO

import imagecodecs
import numpy as np
import pytest
import tifffile

from shared.errors import ImageError, ItemErrorCode
from shared.images.codec import decode
from shared.images.decoded import DecodeLimits
from shared.images.readers.tiff import Picture
from tests.corpus.scenes import picture
from tests.corpus.tiffs import no_data, raw_tiff, sparse, tiff, video_frame

LIMITS = DecodeLimits(min_side=16, max_side=4096)
A = picture(181, 147, seed=3)  # sides that no strip, tile or unit divides
SPARSE = np.where(np.add.outer(np.arange(147) // 32, np.arange(181) // 32) % 3, 0, A).astype(np.uint8)


def read(data):
    """Decode as a whole, and as large images are decoded; the two must agree."""
    image = decode(data, limits=LIMITS)
    with tifffile.TiffFile(BytesIO(data)) as file:
        taken = Picture(file, data, LIMITS)
        bands = list(taken.bands_of_pixels())
    np.testing.assert_array_equal(np.concatenate(bands), image.pixels)
    assert {band.dtype for band in bands} == {image.pixels.dtype}
    assert (taken.note, taken.has_holes) == (image.note, image.has_holes)
    return image


def refused(data, code=ItemErrorCode.UNSUPPORTED_FORMAT):
    with pytest.raises(ImageError) as refusal:
        decode(data, limits=LIMITS)
    assert refusal.value.code is code
    return str(refusal.value)


PLANES = np.stack([SPARSE] * 3)
SPARSE_KINDS = {
    "tiles": lambda: tiff(SPARSE, tile=(32, 32), compression="zlib"),
    "strips": lambda: tiff(np.where(np.arange(147)[:, None] // 16 % 2, A, 0).astype(np.uint8), rowsperstrip=16),
    "LZW with a predictor": lambda: tiff(SPARSE, tile=(32, 32), compression="lzw", predictor=2),
    "BigTIFF, other byte order": lambda: tiff(SPARSE, tile=(32, 32), bigtiff=True, byteorder=">"),
    "planes": lambda: tiff(PLANES, tile=(32, 32), photometric="rgb", planarconfig="separate"),
    "RGB": lambda: tiff(np.moveaxis(PLANES, 0, -1), tile=(32, 32), photometric="rgb", planarconfig="contig"),
    "16 bits": lambda: tiff(SPARSE.astype(np.uint16) * 257, tile=(32, 32), compression="zstd"),
}


@pytest.mark.parametrize("name", SPARSE_KINDS)
def test_strips_and_tiles_that_are_left_out_are_zeros(name):
    data = SPARSE_KINDS[name]()
    left_out = sparse(data)
    np.testing.assert_array_equal(read(left_out).pixels, read(data).pixels)
    assert read(left_out).note is None


def test_what_is_left_out_of_a_picture_with_a_value_of_no_data_has_that():
    data = sparse(tiff(SPARSE.astype(np.float32) + 0, tile=(32, 32), tags=no_data("-9999")))
    image = read(data)
    assert image.has_holes
    np.testing.assert_array_equal(np.isnan(image.pixels), sparse_blocks())
    assert np.nanmin(image.pixels) >= 0


def sparse_blocks():
    return np.add.outer(np.arange(147) // 32, np.arange(181) // 32) % 3 != 0


@pytest.mark.parametrize("name", SPARSE_KINDS)
def test_a_sparse_file_that_is_cut_is_truncated(name):
    data = sparse(SPARSE_KINDS[name]())
    with tifffile.TiffFile(BytesIO(data)) as file:
        last = max(file.pages.first.dataoffsets)
    cut = data[: last + 1]
    assert refused(cut, ItemErrorCode.TRUNCATED)


@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
@pytest.mark.parametrize(("across", "down"), [(2, 2), (2, 1), (4, 1), (1, 2), (4, 4), (1, 1)])
def test_frames_of_a_video_are_their_light(across, down, compression):
    for rows in (None, 4 * down):
        image = read(video_frame(A, across, down, compression=compression, rows=rows))
        np.testing.assert_array_equal(image.pixels, A)
        assert (image.mode, image.note) == ("YCbCr", None)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("steps", [(2, 2), (1, 1)], ids=["of the default", "of full colour, which is not said"])
def test_frames_of_a_video_without_the_tag(steps, compression, order):
    image = read(video_frame(A, *steps, compression=compression, told=None, order=order))
    np.testing.assert_array_equal(image.pixels, A)


def test_odd_frames_are_refused_by_what_they_are_and_cut_ones_by_that():
    assert "-pix_fmt gray" in refused(video_frame(A, 2, 2, told=(3, 2)))
    frame = video_frame(A, 2, 2)
    refused(frame[: len(frame) // 2], ItemErrorCode.TRUNCATED)


@pytest.mark.parametrize(
    ("dtype", "offset"),
    [(np.uint32, 4_000_000_000), (np.int32, -2_147_000_000), (np.uint64, 2**63 + 7), (np.int64, -(2**62))],
)
def test_large_whole_numbers_keep_their_differences(dtype, offset):
    values = np.array([offset + int(value) for value in A.ravel()], dtype=dtype).reshape(A.shape)
    for options in ({}, {"tile": (32, 32)}, {"photometric": "miniswhite"}):
        pixels = read(tiff(values, **options)).pixels.astype(int)
        if options.get("photometric"):
            pixels = -pixels
        np.testing.assert_array_equal(pixels - pixels.min(), A - int(A.min()))


def test_large_floats_keep_their_differences():
    pixels = read(tiff(A + 1e12)).pixels
    np.testing.assert_array_equal(pixels - pixels.min(), A - A.min())


@pytest.mark.parametrize("scale", [1e300, 1e37, 1e-40, 5e-324])
def test_floats_beyond_float32_are_taken_to_scale(scale):
    pixels = read(tiff(A * scale)).pixels.astype(np.float64)
    np.testing.assert_allclose(pixels / pixels.max(), A / A.max(), atol=1e-6)


@pytest.mark.parametrize("count", [0, 10**8])
@pytest.mark.parametrize("options", [{}, {"rowsperstrip": 16}, {"tile": (32, 32)}, {"byteorder": ">"}])
def test_what_is_told_of_the_bytes_of_plain_pixels_counts_where_it_can_be(options, count):
    data = tiff(A, **options)
    np.testing.assert_array_equal(read(with_byte_counts(data, count)).pixels, A)
    assert refused(with_byte_counts(data, count)[: len(data) // 2], ItemErrorCode.TRUNCATED)


def with_byte_counts(data, count):
    """The file with the byte counts of its last strips or tiles replaced."""
    file = BytesIO(data)
    with tifffile.TiffFile(file, mode="r+b") as opened:
        page = opened.pages.first
        tag = page.tags["TileByteCounts" if page.is_tiled else "StripByteCounts"]
        counts = list(page.databytecounts)
        counts[len(counts) // 2 :] = [count] * (len(counts) - len(counts) // 2)
        tag.overwrite(counts, dtype="I")
        return file.getvalue()


def test_a_chain_of_pages_that_leads_back_to_itself_has_no_thousand():
    file = BytesIO(tiff(A))
    with tifffile.TiffFile(file, mode="r+b") as opened:
        at, first = opened.pages.next_page_offset, opened.pages.first.offset
    data = bytearray(file.getvalue())
    data[at : at + 4] = first.to_bytes(4, "little")
    image = read(bytes(data))
    np.testing.assert_array_equal(image.pixels, A)
    assert image.note is None


@pytest.mark.parametrize("bits", [2, 4, 6, 10, 12, 14])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 5])
def test_samples_of_odd_numbers_of_bits(bits, order, compression):
    values = (A.astype(np.uint16) * 257) >> (16 - bits)
    packed = values.astype(np.uint8 if bits <= 8 else np.uint16)
    strip = bytes(imagecodecs.packints_encode(packed, bits, runlen=181))
    strip = imagecodecs.lzw_encode(strip) if compression == 5 else strip
    tags = {256: ("I", [181]), 257: ("I", [147]), 278: ("I", [147]), 258: ("H", [bits]), 259: ("H", [compression])}
    tags |= {262: ("H", [1]), 277: ("H", [1])}
    np.testing.assert_array_equal(read(raw_tiff([strip], tags, order)).pixels, values)


@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
def test_bits_of_the_other_order(compression):
    encode = {1: bytes, 5: imagecodecs.lzw_encode, 8: imagecodecs.zlib_encode, 32773: imagecodecs.packbits_encode}
    strips = [imagecodecs.bitorder_encode(encode[compression](A[row : row + 50].tobytes())) for row in (0, 50, 100)]
    tags = {256: ("I", [181]), 257: ("I", [147]), 278: ("I", [50]), 258: ("H", [8]), 259: ("H", [compression])}
    tags |= {262: ("H", [1]), 266: ("H", [2]), 277: ("H", [1])}
    np.testing.assert_array_equal(read(raw_tiff(list(map(bytes, strips)), tags)).pixels, A)


SHARES = (A / 255).astype(np.float32)
READ_KINDS = {
    "half floats": (lambda: tiff(SHARES.astype(np.float16)), SHARES.astype(np.float16)),
    "floats with a predictor": (lambda: tiff(SHARES, compression="zlib", predictor=3), SHARES),
    "32 bits with a predictor": (lambda: tiff(A.astype(np.uint32), compression="lzw", predictor=2), A),
    "signed bytes": (lambda: tiff((A.astype(int) - 128).astype(np.int8)), A.astype(int) - 128),
    "uneven strips": (lambda: tiff(A, rowsperstrip=37, compression="packbits"), A),
    "LZMA": (lambda: tiff(A, compression="lzma", tile=(64, 48)), A),
}


@pytest.mark.parametrize("name", READ_KINDS)
def test_other_kinds_that_are_read(name):
    make, expected = READ_KINDS[name]
    np.testing.assert_array_equal(read(make()).pixels, expected)


REFUSED_KINDS = {
    "complex": (lambda: tiff(SHARES.astype(np.complex64)), "unusual kind"),
    "lossless JPEG": (lambda: tiff(A, compression="jpeg", compressionargs={"lossless": True}), "lossless JPEG"),
    "JPEG of 12 bits": (lambda: tiff(A.astype(np.uint16) * 16, compression="jpeg", bitspersample=12), "12 bits"),
    "JPEG 2000": (lambda: tiff(A, compression="jpeg2000"), "JPEG2000"),
    "LERC": (lambda: tiff(A, compression="lerc"), "LERC"),
    "six channels": (lambda: tiff(np.stack([A] * 6, -1), planarconfig="contig"), "6 channels"),
    "CIELab": (lambda: tiff(np.stack([A] * 3, -1), photometric="cielab"), "colour space"),
    "a predictor without compression": (
        lambda: raw_tiff(
            [A.tobytes()],
            {256: ("I", [181]), 257: ("I", [147]), 258: ("H", [8]), 259: ("H", [1]), 262: ("H", [1]), 317: ("H", [2])},
        ),
        "predictor",
    ),
}


@pytest.mark.parametrize("name", REFUSED_KINDS)
def test_other_kinds_are_refused_by_what_they_are(name):
    make, word = REFUSED_KINDS[name]
    reason = refused(make())
    assert word in reason
    assert "convert it to" in reason


def bordered(pixels, value, px=8):
    framed = pixels.copy()
    framed[:px] = framed[-px:] = framed[:, :px] = framed[:, -px:] = value
    return framed


BORDER = bordered(np.zeros(A.shape, dtype=bool), True)
LOWEST = np.finfo(np.float32).min
NAMED = {
    "-9999": (SHARES, -9999, "-9999"),
    "as GDAL writes the lowest float": (SHARES, LOWEST, "-3.4028234663852886e+38"),
    "as others write it": (SHARES, LOWEST, "-3.40282e+038"),
    "with spaces and a comma": (SHARES, -0.5, " -0,5 "),
    "NaN": (SHARES, np.nan, "nan"),
    "NaN of Windows": (SHARES, np.nan, "1.#QNAN"),
    "infinity": (SHARES, -np.inf, "-inf"),
    "of doubles": (SHARES.astype(float), -1.7976931348623157e308, "-1.7976931348623157e+308"),
    "65535": (A.astype(np.uint16) * 4 + 100, 65535, "65535"),
    "-32768": (A.astype(np.int16), -32768, "-32768"),
    "-32768.0": (A.astype(np.int16), -32768, "-32768.0"),
    "of 32 bits": (A.astype(np.int32), -(2**31), "-2147483648"),
    "of bytes": (A // 2 + 10, 255, "255"),
}


@pytest.mark.parametrize("options", [{}, {"tile": (32, 32), "compression": "zlib"}], ids=["strips", "tiles"])
@pytest.mark.parametrize("name", NAMED)
def test_pixels_of_the_value_that_stands_for_no_data_are_holes(name, options):
    pixels, value, text = NAMED[name]
    image = read(tiff(bordered(pixels, value), tags=no_data(text), **options))
    assert image.has_holes
    assert image.note is None
    np.testing.assert_array_equal(np.isnan(image.pixels), BORDER)
    np.testing.assert_array_equal(image.pixels[~BORDER], pixels[~BORDER].astype(np.float32))


def test_in_colour_all_channels_have_the_value():
    colours = np.stack([A, A, A], -1)
    colours[40, 40] = (255, 255, 7)
    image = read(tiff(bordered(colours, 255), tags=no_data("255"), photometric="rgb"))
    assert np.isnan(image.pixels[BORDER]).all()
    assert not np.isnan(image.pixels[40, 40])


def test_another_pixel_that_is_no_number_still_fails():
    holed = bordered(SHARES, -9999)
    holed[70, 70] = np.nan
    refused(tiff(holed, tags=no_data("-9999")), ItemErrorCode.NOT_FINITE)
    refused(tiff(bordered(SHARES, np.nan)), ItemErrorCode.NOT_FINITE)


def test_a_value_that_is_the_grounds_own_is_light_and_that_is_told():
    dots = np.zeros(A.shape, np.uint8)
    dots[30:40, 30:40] = A[30:40, 30:40]
    image = read(tiff(dots, tags=no_data("0")))
    np.testing.assert_array_equal(image.pixels, dots)
    assert image.note.startswith("no_data: 0 is named")


@pytest.mark.parametrize("text", ["-9999", "none", "", "1e999", "300"])
def test_a_value_that_no_sample_can_have_changes_nothing(text):
    image = read(tiff(A, tags=no_data(text)))
    assert (image.pixels.dtype, image.note, image.has_holes) == (np.uint8, None, False)
    np.testing.assert_array_equal(image.pixels, A)


@pytest.mark.parametrize(("pixels", "value"), [(SHARES, -9999), (SHARES, LOWEST), (A.astype(np.int16), -32768)])
def test_a_usual_value_that_no_tag_names_is_left_out_and_told(pixels, value):
    image = read(tiff(bordered(pixels, value)))
    np.testing.assert_array_equal(np.isnan(image.pixels), BORDER)
    assert image.note.startswith(f"no_data: one value, {float(value):g}, in ")


def test_a_narrow_border_of_a_usual_value_is_left_out():
    pixels = SHARES.copy()
    pixels[:, -2:] = -9999
    image = read(tiff(pixels))
    np.testing.assert_array_equal(np.isnan(image.pixels), pixels == -9999)
    assert image.note.startswith("no_data: one value, -9999, in ")


def test_any_other_value_that_takes_the_range_is_told():
    pixels = bordered(A.astype(np.uint16) + 100, 65535)
    image = read(tiff(pixels))
    np.testing.assert_array_equal(image.pixels, pixels)
    assert "65535" in image.note
    assert "GDAL_NODATA" in image.note


def test_dots_of_one_value_are_not_taken_for_no_data():
    dots = np.where(A > 200, 60000, A.astype(np.uint16) + 1000).astype(np.uint16)
    dots[:3] = dots[-3:] = 1000
    dots[:, :3] = dots[:, -3:] = 1000
    assert read(tiff(dots)).note is None


def test_a_picture_without_any_data_is_constant():
    image = read(tiff(np.full(A.shape, -9999, np.float32), tags=no_data("-9999")))
    assert image.pixels.min() == image.pixels.max()
