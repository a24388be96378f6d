import struct
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import tifffile

from shared.errors import ImageError
from shared.images.codec import DecodeLimits, decode
from shared.images.tiff_split import InMemory, pages_of

LIMITS = DecodeLimits(min_side=8, max_side=4096)
STACK = np.random.default_rng(0).integers(0, 60_000, (7, 40, 50)).astype(np.uint16)


def written(stack: np.ndarray, **options: Any) -> InMemory:
    file = BytesIO()
    tifffile.imwrite(file, stack, **{"photometric": "minisblack"} | options)
    return InMemory(file.getvalue())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"metadata": None},
        {"compression": "zlib", "predictor": True},
        {"tile": (16, 16), "compression": "lzw"},
        {"bigtiff": True},
        {"byteorder": ">", "rowsperstrip": 7},
        {"imagej": True, "photometric": None, "resolution": (2.5, 2.5), "metadata": {"unit": "um"}},
        {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}},
        {"metadata": {"truncate": True}},
    ],
    ids=str,
)
def test_each_page_is_a_file_with_the_samples_of_that_page(options: dict[str, Any]) -> None:
    file = written(STACK, **options)
    pages = pages_of(file)
    cut = [page.cut(file) for page in pages]
    decoded = [decode(data, limits=LIMITS) for data in cut]
    assert [len(data) for data in cut] == [page.size for page in pages]
    assert np.array_equal([image.pixels for image in decoded], STACK)
    assert {image.note for image in decoded} == {None}
    assert sum(map(len, cut)) < 1.2 * file.length + 2000


def test_pictures_under_one_directory_are_pages(tmp_path: Any) -> None:
    file = written(STACK, imagej=True, photometric=None)
    data = bytearray(file.data)
    with tifffile.TiffFile(BytesIO(file.data)) as tiff:
        first = tiff.pages[0]
        end = first.offset + 2 + 12 * len(first.tags)
    data[end : end + 4] = bytes(4)  # as ImageJ writes stacks over 4 GiB: the chain ends, the pictures go on
    pages = pages_of(InMemory(bytes(data)))
    assert np.array_equal([decode(page.cut(InMemory(bytes(data))), limits=LIMITS).pixels for page in pages], STACK)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"imagej": True, "photometric": None, "metadata": {"unit": "um"}}, "unit=um"),
        ({"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.5}}, 'PhysicalSizeX="0.5"'),
    ],
)
def test_what_a_file_says_of_its_pixels_size_goes_with_every_page(options: dict[str, Any], told: str) -> None:
    file = written(STACK, resolution=(4, 4), resolutionunit=3, **options)
    for page in pages_of(file):
        with tifffile.TiffFile(BytesIO(page.cut(file))) as tiff:
            assert told in tiff.pages[0].description
            assert tiff.pages[0].tags[282].value == (4, 1)


def test_reduced_copies_are_no_pages_and_colours_stay_together() -> None:
    file = BytesIO()
    with tifffile.TiffWriter(file) as tiff:
        for index in range(3):
            colours = np.full((32, 40, 3), index, np.uint8)
            tiff.write(colours, photometric="rgb", metadata=None)
            tiff.write(colours[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    pages = pages_of(InMemory(file.getvalue()))
    images = [decode(page.cut(InMemory(file.getvalue())), limits=LIMITS) for page in pages]
    assert [(image.mode, image.width) for image in images] == [("RGB", 40)] * 3


def test_a_page_that_is_broken_fails_alone() -> None:
    file = written(STACK, compression="zlib")
    data = bytearray(file.data)
    with tifffile.TiffFile(BytesIO(file.data)) as tiff:
        at, size = tiff.pages[3].dataoffsets[0], tiff.pages[3].databytecounts[0]
    data[at : at + size] = bytes(size)
    broken = InMemory(bytes(data))
    outcomes = []
    for page in pages_of(broken):
        try:
            outcomes.append(decode(page.cut(broken), limits=LIMITS).format)
        except ImageError as error:
            outcomes.append(error.code)
    assert outcomes == ["TIFF"] * 3 + ["truncated"] + ["TIFF"] * 3


def test_bytes_from_strangers_end_somewhere() -> None:
    assert pages_of(InMemory(b"")) == pages_of(InMemory(b"II*\0")) == pages_of(InMemory(b"\x89PNG" + bytes(40))) == []
    circle = bytearray(written(STACK[:2]).data)
    with tifffile.TiffFile(BytesIO(bytes(circle))) as tiff:
        last = tiff.pages[1]
        end = last.offset + 2 + 12 * len(last.tags)
        circle[end : end + 4] = struct.pack("<I", tiff.pages[0].offset)
    assert len(pages_of(InMemory(bytes(circle)))) == 2
    rng = np.random.default_rng(1)
    sound = written(STACK[:3], rowsperstrip=8).data
    for _ in range(300):  # whatever stands there: an answer, of no more bytes than the file has for each page
        data = bytearray(sound)
        for place in rng.integers(0, 700, 6):
            data[place] = rng.integers(256)
        for page in pages_of(InMemory(bytes(data))):
            assert len(page.cut(InMemory(bytes(data)))) < 3 * len(data) + 5000
