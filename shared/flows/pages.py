"""Pages of stacks as images of their own: which of them are asked for, and what each is called.

The page `stack.tif#0007` is the seventh of `stack.tif`. Whoever submits cuts it out (`shared.images.tiff_split`), so
that a stack travels once, and everything behind knows single images only.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from shared.errors import UsageError
from shared.images.tiff_split import MAX_PAGES

_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")
_PAGE = re.compile(r"(?P<file>.+)#(?P<number>\d{4,6})", re.DOTALL)
PAGES_PATTERN = r"^(first|all|\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?){0,99})$"
_GIVE = "give first, all, a page such as 3, or pages such as 1-10 or 1,4-6"


@dataclass(frozen=True)
class PageChoice:
    """Which pages of each file are images of their own.

    Args:
        text: as it was written, in one form.
        ranges: of numbers from 1, ends included; none: the file is one image, as it is read (its first page).
    """

    text: str
    ranges: tuple[tuple[int, int], ...] = ()

    @property
    def is_first(self) -> bool:
        """Whether a file is one image."""
        return not self.ranges

    @property
    def is_all(self) -> bool:
        """Whether every page is wanted, and files of one page stay what they are."""
        return self.ranges == ((1, MAX_PAGES),)

    def of(self, count: int) -> list[int]:
        """Return which of a file's pages, so many, are wanted, by number from 1, in order and each once."""
        wanted = {number for low, high in self.ranges for number in range(low, min(high, count) + 1)}
        return sorted(wanted)


FIRST_PAGE = PageChoice("first")


def pages_of_text(text: str) -> PageChoice:
    """Return the choice of pages that somebody wrote.

    Raises:
        UsageError: it is none.
    """
    word = text.strip().lower().replace(" ", "")
    if word == "first":
        return FIRST_PAGE
    if word == "all":
        return PageChoice("all", ((1, MAX_PAGES),))
    ranges = []
    for part in word.split(","):
        found = _RANGE.fullmatch(part)
        low = int(found[1]) if found else 0
        high = int(found[2] or low) if found else 0
        if not 1 <= low <= high <= MAX_PAGES:
            raise UsageError(f"pages are {text!r}: {_GIVE}")
        ranges.append((low, high))
    return PageChoice(word, tuple(ranges))


def page_path(path: str, number: int) -> str:
    """Return what a page is called: `stack.tif#0007`."""
    return f"{path}#{number:04d}"


def page_of(path: str) -> tuple[str, int] | None:
    """Return the file and the number of a page by its name; None where it is no such name."""
    found = _PAGE.fullmatch(path)
    return (found["file"], int(found["number"])) if found else None


def no_such_page(choice: PageChoice, count: int) -> str:
    """Say that a file has none of the pages that were asked for."""
    has = f"{count} page{'' if count == 1 else 's'}"
    return f"no page {choice.text}: the file has {has}"


def extension_of(path: str) -> str:
    """Return the extension of an image's file, that of the stack for a page of it, with its dot; or nothing."""
    page = page_of(path)
    return PurePosixPath(page[0] if page else path).suffix
