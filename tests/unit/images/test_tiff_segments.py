"""Sound streams of any length pass; the streams that crash or flood a decoder do not get to it."""

import imagecodecs
import numpy as np
import pytest

from shared.errors import ImageError, ItemErrorCode
from shared.images.readers.tiff_segments import require_sound_jpeg, require_sound_lzw


def bits(*codes: tuple[int, int]) -> bytes:
    """Codes, each with its width, packed from the highest bit down."""
    text = "".join(f"{code:0{width}b}" for code, width in codes)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8)


def nine_bits(*codes: int) -> bytes:
    return bits(*((code, 9) for code in codes))


@pytest.mark.parametrize("length", [1, 2, 100, 3836, 3837, 3838, 4200, 100_000])
@pytest.mark.parametrize("levels", [1, 4, 256], ids=["constant", "compressible", "noise"])
def test_what_an_encoder_writes_is_sound(length, levels):
    data = np.random.default_rng(0).integers(0, levels, length, dtype=np.uint8).tobytes()
    require_sound_lzw(imagecodecs.lzw_encode(data))


def test_a_code_that_no_table_has_yet_is_refused():
    """imagecodecs dies by SIGSEGV of these."""
    with pytest.raises(ValueError, match="literal"):
        require_sound_lzw(nine_bits(256, 300, 301))
    literals = [65] * 40
    require_sound_lzw(nine_bits(256, *literals, 256, 65, 257))
    with pytest.raises(ValueError, match="literal"):
        require_sound_lzw(nine_bits(256, *literals, 256, 300, 257))


@pytest.mark.parametrize("before", [200, 254, 255, 700, 1800, 3000])
def test_a_bad_table_is_found_behind_codes_of_every_width(before):
    widths = [9 + sum(257 + k >= limit for limit in (511, 1023, 2047)) for k in range(before + 1)]
    codes = [(7, width) for width in widths[:before]]
    sound = [(256, 9), *codes, (256, widths[before]), (7, 9), (257, 9)]
    require_sound_lzw(bits(*sound))
    assert imagecodecs.lzw_decode(bits(*sound)) == bytes([7]) * (before + 1)
    with pytest.raises(ValueError, match="literal"):
        require_sound_lzw(bits((256, 9), *codes, (256, widths[before]), (400, 9)))


def test_a_stream_of_the_old_kind_is_not_called_damaged():
    with pytest.raises(ImageError, match="old kind") as refusal:
        require_sound_lzw(b"\x00\x01\x02")
    assert refusal.value.code is ItemErrorCode.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("stream", [b"", b"\x00\x02", b"\x80\x80", b"\xff" * 20])
def test_streams_that_do_not_begin_with_a_clear(stream):
    with pytest.raises(ValueError, match="Clear"):
        require_sound_lzw(stream)


def test_a_flood_of_clears_is_refused_rather_than_followed():
    with pytest.raises(ValueError, match="too often"):
        require_sound_lzw(nine_bits(*[256] * 10_000))


def test_jpeg_sizes_and_kinds():
    small = imagecodecs.jpeg8_encode(np.zeros((64, 48), dtype=np.uint8))
    require_sound_jpeg(small, max_side=64)
    with pytest.raises(ValueError, match="larger"):
        require_sound_jpeg(small, max_side=63)
    for marker, kind in ((b"\xff\xc3", "lossless"), (b"\xff\xcd", "hierarchical")):
        with pytest.raises(ImageError, match=kind) as refusal:
            require_sound_jpeg(small.replace(b"\xff\xc0", marker), max_side=64)
        assert refusal.value.code is ItemErrorCode.UNSUPPORTED_FORMAT
