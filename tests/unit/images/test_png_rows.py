"""Stored masks and maps read in bands of rows: what Pillow reads as a whole, and what it says of damage."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from shared.errors import ImageError
from shared.images import png_rows
from shared.images.codec import decode_levels, encode_mask, encode_probability, level_bands, mask_bands
from shared.images.png_stream import PngStream


def levels_of(height: int, width: int) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return ((rows * 3 + columns * 5) % 251).astype(np.uint8)


def streamed(levels: np.ndarray) -> bytes:
    buffer = BytesIO()
    stream = PngStream(buffer.write, height=len(levels), width=levels.shape[1], bits=8)
    for top in range(0, len(levels), 100):
        stream.add(levels[top : top + 100])
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(1, 1), (256, 9), (257, 64), (700, 33)])
def test_bands_are_the_rows_of_the_whole(shape: tuple[int, int]) -> None:
    levels = levels_of(*shape)
    for png in (encode_probability(levels), streamed(levels)):
        assert np.array_equal(np.concatenate(list(png_rows.bands(png, 256))), levels)
        assert np.array_equal(np.concatenate(list(level_bands(png))), levels)
    mask = levels > 99
    read = list(png_rows.bands(encode_mask(mask), 256))
    assert {len(band) for band in read[:-1]} <= {256}
    assert np.array_equal(np.concatenate(read), mask * np.uint8(255))
    assert np.array_equal(np.concatenate(list(mask_bands(encode_mask(mask)))), mask)


def test_what_another_program_wrote_is_read_too() -> None:
    levels = levels_of(700, 33)
    buffer = BytesIO()
    Image.fromarray(levels).save(buffer, "PNG")
    assert list(png_rows.bands(buffer.getvalue(), 256)) == [], "its rows are filtered in several ways"
    assert np.array_equal(np.concatenate(list(level_bands(buffer.getvalue()))), levels)
    assert np.array_equal(decode_levels(buffer.getvalue()), levels)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "no png"])
def test_damage_is_told(damage: str) -> None:
    png = encode_probability(np.random.default_rng(0).integers(0, 256, (900, 200), dtype=np.uint8))
    spoilt = {"cut": png[:-40000], "flipped": bytearray(png), "empty": b"", "no png": b"GIF89a" * 9}[damage]
    if damage == "flipped":
        spoilt[len(png) // 2] ^= 0xFF
    with pytest.raises(ImageError, match="ends early or is damaged"):
        list(level_bands(bytes(spoilt)))
