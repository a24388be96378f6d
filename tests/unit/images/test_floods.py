"""Small files that would cost a decoder minutes are refused or read in time that grows with their bytes alone."""

from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from shared.errors import ImageError, ItemErrorCode
from shared.images.codec import DecodeLimits, decode, encode_grey
from shared.images.png import chunk
from shared.images.readers.containers import parse_png
from tests.corpus.scenes import picture

LIMITS = DecodeLimits(16, 4096)


def progressive(scans: int) -> bytes:
    buffer = BytesIO()
    Image.fromarray(picture(64, 64, seed=1)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def test_a_jpeg_of_more_scans_than_encoders_write_is_refused_before_decoding() -> None:
    assert decode(progressive(20), limits=LIMITS).width == 64
    with pytest.raises(ImageError, match=r"5,00\d scans") as caught:
        decode(progressive(5000), limits=LIMITS)
    assert caught.value.code is ItemErrorCode.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("flood", [b"PLTE", b"IHDR", b"tEXt", b"IDAT"])
def test_a_png_of_a_hundred_thousand_chunks_is_read_as_without_them(flood: bytes) -> None:
    plain = encode_grey(picture(64, 48, seed=1))
    payload = plain[16:29] if flood == b"IHDR" else b""
    data = plain[:33] + 100_000 * chunk(flood, payload) + plain[33:]
    assert np.array_equal(decode(data, limits=LIMITS).pixels, decode(plain, limits=LIMITS).pixels)
    if flood in (b"PLTE", b"IHDR"):
        assert len(parse_png(data).data) < len(plain) + 100


def test_pages_are_counted_up_to_a_thousand() -> None:
    assert noted(40) == "pages: first of 40 pages"
    assert noted(1000) == "pages: first of 1000 pages"
    assert noted(1001) == "pages: first of more than 1,000 pages"


def noted(pages: int) -> str | None:
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for _ in range(pages):
            writer.write(picture(16, 16, seed=1), contiguous=False, metadata=None)
    return decode(buffer.getvalue(), limits=LIMITS).note
