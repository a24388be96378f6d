"""Signatures, and the extensions that a folder is searched for."""

import pytest

from shared.images.formats import IMAGE_EXTENSIONS, READABLE, identify
from tests.corpus.damage import animation, with_pillow
from tests.corpus.encodings import ENCODINGS
from tests.corpus.scenes import picture


@pytest.mark.parametrize("name", ENCODINGS)
def test_each_format_read_is_identified_and_searched_for(name):
    encoding = ENCODINGS[name]
    assert identify(encoding.encode(picture(20, 18, seed=0))) == encoding.format
    assert encoding.extension in IMAGE_EXTENSIONS
    assert encoding.format in READABLE


@pytest.mark.parametrize(
    ("pillow_format", "name"),
    [("GIF", "GIF"), ("JPEG2000", "JPEG 2000"), ("ICO", "icon"), ("TGA", "Targa"), ("PPM", "Netpbm"), ("PCX", "PCX")],
)
def test_formats_that_are_not_read_have_their_name(pillow_format, name):
    assert identify(with_pillow(pillow_format)) == name
    assert name not in READABLE


def test_an_animation_is_identified_as_its_format():
    assert identify(animation("WEBP")) == "WebP"


@pytest.mark.parametrize(
    "text", [b"", b"B", b"BM is how this text begins", b"P5 is a pen", b"RIFF of a guitar", b"II and MM", b"\0" * 200]
)
def test_texts_and_zeros_are_no_image(text):
    assert identify(text) is None


def test_extensions_are_lower_case_and_dotted():
    assert all(extension == extension.lower() and extension.startswith(".") for extension in IMAGE_EXTENSIONS)
