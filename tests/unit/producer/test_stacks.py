"""Stacks on disk: each page an image of its own where that is asked for."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from producer.sources import Sources
from shared.errors import ItemError, UsageError
from shared.flows.exports.names import output_names
from shared.flows.pages import extension_of, page_of, pages_of_text
from shared.images.codec import DecodeLimits, decode, encode_grey

LIMITS = DecodeLimits(min_side=8, max_side=4096)
STACK = np.random.default_rng(0).integers(0, 255, (12, 40, 50)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "stack.tif", STACK, photometric="minisblack")
    tifffile.imwrite(tmp_path / "one.tif", STACK[0], photometric="minisblack")
    (tmp_path / "a.png").write_bytes(encode_grey(STACK[1]))
    (tmp_path / "bad.tif").write_bytes(b"II*\0 nothing behind it")
    return tmp_path


def find(folder: Path, pages: str, max_bytes: int = 10**6) -> Sources:
    return Sources([folder], recursive=True, max_bytes=max_bytes, pages=pages_of_text(pages))


def test_all_pages_are_images_and_files_of_one_page_stay_themselves(folder: Path) -> None:
    sources = find(folder, "all")
    found = {source.path: source for source in sources}
    pages = [f"stack.tif#{number:04d}" for number in range(1, 13)]
    assert list(found) == ["a.png", "bad.tif", "one.tif", *pages]
    assert sources.survey().images == 15
    for name, page in zip(pages, STACK, strict=True):
        assert np.array_equal(decode(found[name].read(), limits=LIMITS).pixels, page)
        assert found[name].version() == sources.version_of(name)
        assert found[name].version().size == len(found[name].read())
    assert found["a.png"].read() == (folder / "a.png").read_bytes()


def test_some_pages_and_a_page_that_is_not_there(folder: Path) -> None:
    found = {source.path: source for source in find(folder, "3,11-20")}
    assert [path for path in found if "#" in path] == ["stack.tif#0003", "stack.tif#0011", "stack.tif#0012"]
    with pytest.raises(ItemError, match="no page 3,11-20: the file has 1 page") as refused:
        found["one.tif"].read()
    assert refused.value.code == "no_such_page"
    assert [source.path for source in find(folder, "first")] == ["a.png", "bad.tif", "one.tif", "stack.tif"]


def test_a_stack_may_be_larger_than_an_image_and_one_that_changes_is_noticed(folder: Path) -> None:
    found = {source.path: source for source in find(folder, "all", max_bytes=3000)}
    assert len(found["stack.tif#0002"].read()) < 3000 < (folder / "stack.tif").stat().st_size
    before = found["stack.tif#0012"].version()
    tifffile.imwrite(folder / "stack.tif", STACK[:5], photometric="minisblack")
    assert found["stack.tif#0002"].version() != before
    assert found["stack.tif#0012"].version() is None
    with pytest.raises(ItemError, match="page 12 is gone"):
        found["stack.tif#0012"].read()


@pytest.mark.parametrize("text", ["0", "3-1", "last", "", "1,,2", "-3", "1000000"])
def test_what_is_no_choice_of_pages_is_refused_at_once(text: str) -> None:
    with pytest.raises(UsageError, match="give first, all, a page"):
        pages_of_text(text)


def test_pages_keep_their_number_in_the_names_of_results() -> None:
    assert output_names(["d/s.tif#0001", "d/s.tif#0002", "d/s.png"]) == {
        "d/s.tif#0001": "d/s#0001.png",
        "d/s.tif#0002": "d/s#0002.png",
        "d/s.png": "d/s.png",
    }
    assert (page_of("d/s.tif#0002"), page_of("d/s.tif"), page_of("a#1.tif")) == (("d/s.tif", 2), None, None)
    assert (extension_of("d/s.tif#0002"), extension_of("d/s.png")) == (".tif", ".png")
