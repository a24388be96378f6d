"""The pages of a stack on disk as sources: counted when the folder is looked through, cut out one by one when sent."""

import os
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import BinaryIO

from producer.reading import file_version, opened
from shared.errors import ItemError, ItemErrorCode
from shared.flows.pages import PageChoice, no_such_page, page_path
from shared.flows.sources import Source
from shared.images.tiff_split import Page, pages_of
from shared.jobs.records import FileVersion


@dataclass(frozen=True)
class Stack:
    """A file that may have several pages, and the folder that it may not lead out of (None: anywhere)."""

    path: str
    root: str | None
    max_bytes: int  # of a page

    def wanted(self, choice: PageChoice) -> list[int] | None:
        """Return which of its pages are asked for, none where it has not got them; None: it is one image as it is."""
        count = len(self._pages())
        if count < 2 and (choice.is_all or 1 in choice.of(1)):
            return None
        return choice.of(max(count, 1))

    def sources(self, name: str, choice: PageChoice, numbers: list[int]) -> list[Source]:
        """Return a source for each page, or one that fails where there is none."""
        if not numbers:
            return [Source(name, partial(self._refuse, choice))]
        return [Source(page_path(name, n), partial(self.read, n), partial(self.version, n)) for n in numbers]

    def read(self, number: int) -> bytes:
        """Return a page as a TIFF of its own.

        Raises:
            ItemError: the file cannot be read, has no such page any more, or that is too large.
        """
        pages = self._pages()
        if number > len(pages):
            raise ItemError(ItemErrorCode.CHANGED, f"page {number} is gone from the file: submit it again")
        page = pages[number - 1]
        if page.size > self.max_bytes:
            reason = f"a page of {page.size:,} bytes: the largest file accepted has {self.max_bytes:,}"
            raise ItemError(ItemErrorCode.TOO_MANY_BYTES, reason)
        with opened(self.path, root=self.root) as file:
            return page.cut(_OnDisk(file))

    def version(self, number: int) -> FileVersion | None:
        """Return what tells a page from what it was before; None where it is gone."""
        now, pages = file_version(self.path), self._pages()
        return None if now is None or number > len(pages) else FileVersion(pages[number - 1].size, now.modified)

    def _pages(self) -> tuple[Page, ...]:
        return _pages(self.path, self.root, file_version(self.path))

    def _refuse(self, choice: PageChoice) -> bytes:
        raise ItemError(ItemErrorCode.NO_SUCH_PAGE, no_such_page(choice, max(len(self._pages()), 1)))


@lru_cache(maxsize=16)
def _pages(path: str, root: str | None, _version: FileVersion | None) -> tuple[Page, ...]:
    """Return the pages of a file; none where it cannot be read, which whoever reads it as an image is told."""
    try:
        with opened(path, root=root) as file:
            return tuple(pages_of(_OnDisk(file)))
    except ItemError:
        return ()


class _OnDisk:
    def __init__(self, file: BinaryIO) -> None:
        self._descriptor = file.fileno()
        self.length = os.fstat(self._descriptor).st_size

    def at(self, offset: int, size: int) -> bytes:
        if offset >= self.length:
            return b""
        data = os.pread(self._descriptor, min(size, self.length - offset), offset)
        while len(data) < size and (more := os.pread(self._descriptor, size - len(data), offset + len(data))):
            data += more  # one call gives 2 GiB at most
        return data
