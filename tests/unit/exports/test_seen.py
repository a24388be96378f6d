"""What leaves of a source is what the worker saw of it: in pairs to train on, and under outlines."""

import dataclasses
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from shared.flows.exports import decoding
from shared.flows.exports.export import NotExportable
from shared.flows.exports.seen import SeenPicture
from shared.images.channel_choice import AUTO
from shared.images.codec import DecodeLimits, decode, encode_grey
from shared.jobs.grades import Grade
from shared.jobs.records import Item
from shared.jobs.reviews import Reviews
from tests.unit.exports.conftest import MakeJob, blobs

LIMITS = DecodeLimits(1, 4096)


@pytest.fixture(autouse=True)
def decoders() -> Iterator[None]:
    """End the decoders that a test has started: another has other settings."""
    decoding._decoders.cache_clear()
    yield
    decoding._decoders().close()
    decoding._decoders.cache_clear()


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def coloured() -> NDArray[np.uint8]:
    """A picture whose channels differ."""
    return np.random.default_rng(1).integers(0, 256, (*blobs().shape, 3)).astype(np.uint8)


@pytest.fixture
def item(make: MakeJob) -> Item:
    made = make({"a.png": blobs()})
    return made.services.repository.items(made.id, limit=1)[0]


def test_a_chosen_channel_is_what_is_exported_and_drawn_over(make: MakeJob, tmp_path: Path) -> None:
    colours = coloured()
    chosen = make({"a.png": blobs()}, sources={"a.png": png(colours)}, channel="green")
    plain = make({"a.png": blobs()}, sources={"a.png": encode_grey(colours[..., 1])})
    for made, name in ((chosen, "chosen"), (plain, "plain")):
        [of_job] = made.services.repository.items(made.id, limit=2)
        Reviews(made.services.database).grade(made.id, of_job.id, Grade.ACCEPTED, by="ana")
        for export in ("corrections", "overlays"):
            assert made.export(export, tmp_path / name / export).exit_code == 0
    drawn = [(tmp_path / name / "overlays/overlays/a.png").read_bytes() for name in ("chosen", "plain")]
    assert drawn[0] == drawn[1]
    exported = decode((tmp_path / "chosen/corrections/images/a.tif").read_bytes(), limits=LIMITS)
    np.testing.assert_array_equal(exported.pixels, colours[..., 1])
    assert (tmp_path / "plain/corrections/images/a.png").read_bytes() == encode_grey(colours[..., 1])


def stack() -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, np.arange(3 * 40 * 61, dtype=np.uint16).reshape(3, 40, 61), photometric="minisblack")
    return buffer.getvalue()


def turned() -> bytes:
    buffer, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(coloured()[:40, :40, 0]).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def with_holes() -> bytes:
    pixels = np.random.default_rng(2).random((2, 40, 61)).astype(np.float32)
    pixels[:, :8] = np.nan
    buffer = BytesIO()
    tifffile.imwrite(buffer, pixels, photometric="minisblack", extratags=[(42113, "s", 0, "nan", True)])
    return buffer.getvalue()


@pytest.mark.parametrize("source", [stack(), turned(), with_holes()], ids=["stack", "turned", "holes"])
@pytest.mark.parametrize("held", [decoding.HELD_PIXELS, 100], ids=["held", "large"])
def test_a_file_that_others_read_otherwise_becomes_what_was_seen(
    item: Item, source: bytes, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "HELD_PIXELS", held)
    seen = decode(source, limits=LIMITS)
    picture = SeenPicture(dataclasses.replace(item, note=seen.note), AUTO)
    assert picture.extension == ".tif"
    made = decode(picture.made_of(source), limits=LIMITS)
    np.testing.assert_array_equal(made.pixels, seen.pixels)
    assert (made.pixels.dtype, made.has_holes, made.note) == (seen.pixels.dtype, seen.has_holes, None)


def test_any_other_file_is_left_as_it_is(item: Item) -> None:
    picture = SeenPicture(dataclasses.replace(item, note="constant: nothing is to be seen"), AUTO)
    assert (picture.extension, picture.made_of(b"whatever it is")) == (".png", b"whatever it is")


def test_without_what_decoding_needs_one_line_says_so(item: Item, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(NotExportable, match=r"pip install 'delineate\[export\]'"):
        SeenPicture(item, "red").made_of(b"x")
