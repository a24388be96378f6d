"""Pages, previews and raw files, kinds of JPEG, and pictures that are to be turned."""

from io import BytesIO

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from shared.errors import ImageError, ItemErrorCode
from shared.images.codec import decode, encode_grey
from shared.images.decoded import DecodeLimits
from shared.images.formats import identify
from shared.images.png import chunk
from tests.corpus.scenes import picture
from tests.corpus.tiffs import GREY, tiff

LIMITS = DecodeLimits(min_side=16, max_side=4096)
A = picture(160, 128, seed=2)
SMALL = np.stack([A[::4, ::4]] * 3, -1)
RGB = {"photometric": "rgb", "metadata": None}
COLOUR_FILTER = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes((0, 1, 1, 2)), True)]


def pages(*written, **options):
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer, **options) as file:
        for pixels, how in written:
            file.write(pixels, **how)
    return buffer.getvalue()


def read(data):
    return decode(data, limits=LIMITS)


def refused(data):
    with pytest.raises(ImageError) as refusal:
        read(data)
    assert refusal.value.code is ItemErrorCode.UNSUPPORTED_FORMAT
    return str(refusal.value)


FULL = (A, GREY | {"subfiletype": 0})
PREVIEWS = {
    "with its picture in a SubIFD": [(SMALL, RGB | {"subfiletype": 1, "subifds": 1}), FULL],
    "with its picture as second page": [(SMALL, RGB | {"subfiletype": 1}), FULL],
    "with another preview between": [(SMALL, RGB | {"subfiletype": 1}), (SMALL, RGB | {"subfiletype": 1}), FULL],
}


@pytest.mark.parametrize("name", PREVIEWS)
def test_of_a_preview_the_picture_is_taken(name):
    image = read(pages(*PREVIEWS[name]))
    np.testing.assert_array_equal(image.pixels, A)
    assert image.note is None


@pytest.mark.parametrize("where", ["SubIFD", "page"])
def test_a_preview_that_does_not_say_so_is_told(where):
    first = (A[::4, ::4], GREY | ({"subifds": 1} if where == "SubIFD" else {}))
    image = read(pages(first, (A, GREY)))
    np.testing.assert_array_equal(image.pixels, A)
    assert image.note == "preview: the first picture, 40×32 px, was taken for a preview of one of 160×128 px"


def test_a_reduced_copy_without_its_picture_is_read_and_told():
    image = read(tiff(A, subfiletype=1))
    np.testing.assert_array_equal(image.pixels, A)
    assert image.note.startswith("preview: the file says")


RAW = {
    "DNG": [(SMALL, RGB | {"subfiletype": 1, "extratags": [(50706, "B", 4, bytes((1, 4, 0, 0)), True)]})],
    "colour filter in a SubIFD": [
        (SMALL, RGB | {"subfiletype": 1, "subifds": 1}),
        (A.astype(np.uint16), {"photometric": 32803, "metadata": None, "extratags": COLOUR_FILTER}),
    ],
    "colour filter alone": [(A.astype(np.uint16), {"photometric": 32803, "metadata": None})],
    "a preview that does not say so": [
        (SMALL, RGB),
        (np.stack([A.astype(np.uint16)] * 3, -1), {"photometric": 34892, "planarconfig": "contig", "metadata": None}),
    ],
}


@pytest.mark.parametrize("name", RAW)
def test_raw_files_are_refused_by_what_they_are(name):
    assert "raw file" in refused(pages(*RAW[name]))


@pytest.mark.parametrize(
    "head", [b"IIRO", b"IIU\0", b"FUJIFILMCCD-RAW 0201", b"\0\0\0\x18ftypcrx isom", b"II\x1a\0\0\0HEAPCCDR"]
)
def test_raw_files_that_are_no_tiff_are_refused_by_what_they_are(head):
    assert "raw" in refused(head + bytes(200))


def test_reduced_copies_behind_the_picture_are_no_pages():
    copies = [(A[::step, ::step], GREY | {"subfiletype": 1}) for step in (2, 4)]
    assert read(pages((A, GREY), *copies)).note is None
    assert read(pages((A, GREY | {"subifds": 2}), *copies)).note is None
    assert read(pages((A, GREY), (A, GREY), *copies)).note == "pages: first of 2 pages"


def test_a_mask_of_its_own_page_is_told():
    mask = (np.ones(A.shape, bool), {"subfiletype": 4, "photometric": "mask", "metadata": None})
    assert read(pages((A, GREY), mask)).note == "transparency: a page that masks the picture is left out"


IMAGEJ = "ImageJ=1.54f\nimages=20\nchannels=2\nslices=10\nhyperstack=true\n"


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (lambda: tiff(np.stack([A] * 50)), "pages: first of 50 pages"),
        (lambda: pages((np.stack([A] * 6).reshape(3, 2, *A.shape), {}), imagej=True), "pages: first of 6 pages"),
        (lambda: pages((np.stack([A, A]), {"photometric": "minisblack"}), ome=True), "pages: first of 2 pages"),
        (lambda: tiff(A, description=IMAGEJ), "pages: first of 20 pictures under one directory"),
        (lambda: tiff(np.stack([A] * 5), metadata={}, truncate=True), "pages: first of 5 pictures under one directory"),
        (lambda: tiff(A, description='{"shape": [1e999, []]}'), None),
        (lambda: tiff(A, description="ImageJ=1.54f\nimages=many\n"), None),
    ],
)
def test_a_recording_is_told_however_it_is_written(data, note):
    image = read(data())
    np.testing.assert_array_equal(image.pixels, A)
    assert image.note == note


def jpeg(grey=A, format_name="JPEG", **options):
    buffer = BytesIO()
    Image.fromarray(grey).save(buffer, format_name, quality=95, **options)
    return buffer.getvalue()


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_pixels_are_as_stored_and_that_is_told(orientation):
    turned = exif(orientation)
    buffers = [BytesIO() for _ in range(3)]
    Image.fromarray(A).save(buffers[0], "JPEG", quality=95, exif=turned)
    Image.fromarray(A).save(buffers[1], "PNG", exif=turned)
    Image.fromarray(A).save(buffers[2], "WEBP", lossless=True, exif=turned)
    files = [buffer.getvalue() for buffer in buffers]
    files += [tiff(A, tags=[(274, "H", 1, orientation, True)], byteorder=order) for order in "<>"]
    for data in files:
        image = read(data)
        assert image.pixels.shape == A.shape
        assert np.abs(image.pixels.astype(float) - A).mean() < 3
        if orientation == 1:
            assert image.note is None
        else:
            assert image.note.startswith(f"orientation: orientation {orientation} (")


def test_two_pictures_in_a_jpeg_are_told():
    image = read(jpeg(format_name="MPO", save_all=True, append_images=[Image.fromarray(A[::-1])]))
    assert image.note == "pages: first of 2 pictures"


def of_frame(marker, bits=8, components=1):
    """The JPEG with the kind of its frame changed."""
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4], data[at + 9] = marker, bits, components
    return bytes(data)


def of_unknown_height():
    """The JPEG with its height behind its scan (DNL)."""
    data = jpeg()
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + b"\x00\x00" + data[at + 2 : -2] + b"\xff\xdc\x00\x04" + data[at : at + 2] + b"\xff\xd9"


KINDS = {
    "JPEG-LS of 8 bits": (lambda: imagecodecs.jpegls_encode(A), "JPEG-LS of 8 bits"),
    "JPEG-LS of 16 bits": (lambda: imagecodecs.jpegls_encode(A.astype(np.uint16) * 257), "JPEG-LS of 16 bits"),
    "lossless of 12 bits": (
        lambda: imagecodecs.ljpeg_encode(A.astype(np.uint16) * 16, bitspersample=12),
        "lossless JPEG of 12 bits",
    ),
    "12 bits": (lambda: imagecodecs.jpeg8_encode(A.astype(np.uint16) * 16, bitspersample=12), "a JPEG of 12 bits"),
    "hierarchical": (lambda: of_frame(0xC5), "hierarchical"),
    "arithmetic-coded lossless": (lambda: of_frame(0xCB), "arithmetic-coded lossless"),
    "two channels": (lambda: of_frame(0xC0, components=2), "2 channels"),
    "height behind its scan": (of_unknown_height, "height behind"),
    "JPEG 2000": (lambda: imagecodecs.jpeg2k_encode(A), "JPEG 2000"),
    "JPEG XL": (lambda: imagecodecs.jpegxl_encode(A), "JPEG XL"),
    "JPEG XR": (lambda: imagecodecs.jpegxr_encode(A), "JPEG XR"),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds_of_jpeg_that_are_not_read_are_refused_by_name(name):
    make, word = KINDS[name]
    reason = refused(make())
    assert word in reason
    assert "convert it to" in reason


def test_a_lossless_jpeg_of_8_bits_is_read_exactly():
    np.testing.assert_array_equal(read(imagecodecs.ljpeg_encode(A)).pixels, A)


def test_pngs_of_iphones_are_refused_by_name():
    png = encode_grey(A)
    assert "CgBI" in refused(png[:8] + chunk(b"CgBI", b"\x50\x00\x20\x02") + png[8:])


def test_damage_is_still_damage():
    data = jpeg()
    with pytest.raises(ImageError) as refusal:
        read(data[: len(data) // 2])
    assert refusal.value.code is ItemErrorCode.TRUNCATED


def test_heads_of_other_formats_have_names():
    assert identify(b"II\xbc\x01" + bytes(60)) == "JPEG XR"
