"""Which picture of a TIFF is meant: the first page, unless that is a preview of another; and what is left out.

Cameras put a small preview first and their raw samples behind it; slide scanners, mappers and cameras add reduced
copies; microscopes write whole recordings into one file, some of them under a single directory.
"""

import json
import re
from contextlib import suppress
from math import prod

from tifffile import PHOTOMETRIC, TiffFile, TiffPage, TiffPages

from shared.errors import ImageError, ItemErrorCode
from shared.images.notes import Note, NoteCode

_MAX_COUNTED = 1000  # pages
_MAX_LOOKED_AT = 16  # pages and SubIFDs, each: a file with more is a recording, not a picture and its copies
_REDUCED, _MASK = 0b1, 0b100  # of NewSubfileType
_MIN_LARGER = 4  # times the first picture's pixels, for that to be a preview although nothing says so
_DNG_VERSION, _UIC2 = 50706, 33629
_RAW = {PHOTOMETRIC.CFA, PHOTOMETRIC.LINEAR_RAW}
_CANON = b"CR"  # behind the header
_IMAGEJ_COUNT = re.compile(r"^images=(\d{1,9})$", re.MULTILINE)


def chosen_page(tiff: TiffFile, data: bytes) -> tuple[TiffPage, list[Note]]:
    """Return the page that is the file's picture, and notes of what else is there.

    Raises:
        ImageError: it is a camera's raw file (`unsupported_format`).
    """
    first = tiff.pages.first
    if not isinstance(first, TiffPage):
        raise TypeError("the first page has no tags of its own")
    count = _count(tiff)
    pages = [first] if count == 1 or count > _MAX_LOOKED_AT else [first, *_others(tiff, count)]
    inside = _sub_pages(first)
    if _DNG_VERSION in first.tags or data[8:10] == _CANON or any(page.photometric in _RAW for page in pages + inside):
        reason = "a camera's raw file: develop it, and submit the TIFF or PNG of that"
        raise ImageError(ItemErrorCode.UNSUPPORTED_FORMAT, reason)
    if count > _MAX_LOOKED_AT:  # a recording
        return first, [*_in_one_directory(first), _of_pages(f"first of {_shown(count)} pages")]
    pictures = [page for page in pages if not page.subfiletype & (_REDUCED | _MASK)]
    larger = [page for page in pictures + inside if _pixels(page) > _pixels(first) and page is not first]
    larger = [page for page in larger if not page.subfiletype & (_REDUCED | _MASK)]
    notes = []
    if any(page.subfiletype & _MASK for page in pages[1:]):
        notes.append(Note(NoteCode.TRANSPARENCY, "a page that masks the picture is left out"))
    if first.subfiletype & _REDUCED:
        if not larger:
            notes.append(Note(NoteCode.PREVIEW, "the file says that this is a reduced copy, it has no other picture"))
            return first, [*notes, *_of_more(pictures, first)]
        page = max(larger, key=_pixels)
        return page, [*notes, *_of_more(pictures, page)]
    largest = max(larger, key=_pixels, default=first)
    if _pixels(largest) >= _MIN_LARGER * _pixels(first):
        sizes = f"{first.imagewidth}×{first.imagelength} px", f"{largest.imagewidth}×{largest.imagelength} px"
        told = Note(NoteCode.PREVIEW, f"the first picture, {sizes[0]}, was taken for a preview of one of {sizes[1]}")
        others = [page for page in pictures if page is not first]
        return largest, [*notes, told, *_of_more(others, largest)]
    return first, [*notes, *_in_one_directory(first), *_of_more(pictures, first)]


def _count(tiff: TiffFile) -> int:
    """The number of pages, or one more than are counted: a chain of millions takes a minute to follow."""
    with suppress(IndexError):
        tiff.pages._seek(_MAX_COUNTED)
        if not tiff.pages._indexed:  # it is where the chain leads back to itself
            return _MAX_COUNTED + 1
    return len(tiff.pages)


def _shown(count: int) -> str:
    return str(count) if count <= _MAX_COUNTED else f"more than {_MAX_COUNTED:,}"


def _others(tiff: TiffFile, count: int) -> list[TiffPage]:
    """All pages but the first that can be looked at."""
    found = [_page(tiff.pages, index) for index in range(1, count)]
    return [page for page in found if page is not None]


def _sub_pages(first: TiffPage) -> list[TiffPage]:
    if not first.subifds or first.pages is None:
        return []
    found = [_page(first.pages, index) for index in range(min(len(first.subifds), _MAX_LOOKED_AT))]
    return [page for page in found if page is not None]


def _page(pages: TiffPages, index: int) -> TiffPage | None:
    """One of the pages; None where it is damaged."""
    try:
        page = pages[index]
    except Exception:  # the library raises whatever damaged bytes lead it to
        return None
    return page if isinstance(page, TiffPage) else None


def _pixels(page: TiffPage) -> int:
    return int(page.imagewidth) * int(page.imagelength)


def _of_more(pictures: list[TiffPage], taken: TiffPage) -> list[Note]:
    if len(pictures) < 2:
        return []
    number = next((number for number, page in enumerate(pictures, 1) if page is taken), 1)
    which = "first" if number == 1 else f"number {number}"
    return [_of_pages(f"{which} of {len(pictures)} pages")]


def _in_one_directory(page: TiffPage) -> list[Note]:
    """Pictures that follow the first without a directory of their own: of ImageJ, of MetaMorph, of tifffile."""
    count = 1
    if _UIC2 in page.tags:
        count = int(page.tags[_UIC2].count)
    elif page.description.startswith("ImageJ="):
        found = _IMAGEJ_COUNT.search(page.description)
        count = int(found[1]) if found else 1
    elif page.description.startswith('{"shape": ['):
        count = _shaped(page)
    return [_of_pages(f"first of {count} pictures under one directory")] if count > 1 and _is_alone(page) else []


def _is_alone(page: TiffPage) -> bool:
    return len(page.parent.pages) == 1


def _shaped(page: TiffPage) -> int:
    try:
        shape = json.loads(page.description)["shape"]
        return int(prod(int(side) for side in shape)) // prod(page.shape)
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError):
        return 1


def _of_pages(sentence: str) -> Note:
    return Note(NoteCode.PAGES, sentence)
