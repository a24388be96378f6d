"""Uploaded files as sources of a job. Their names are shown and given back, but never become paths of this machine."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from os import SEEK_END
from pathlib import PurePosixPath
from threading import Lock
from typing import NoReturn

from werkzeug.datastructures import FileStorage

from admin.web.refusals import Refused
from shared.errors import ItemError, ItemErrorCode
from shared.flows.pages import FIRST_PAGE, PageChoice, no_such_page, page_path
from shared.flows.submission import Source
from shared.images.tiff_split import pages_of
from shared.portable import is_usable

_MAX_PART_BYTES = 200  # under the 255 of file systems, with room for `.png` and a number
_MAX_PARTS = 8
_UNNAMED = "image"


def sources(files: Iterable[FileStorage], *, max_bytes: int, pages: PageChoice = FIRST_PAGE) -> Iterator[Source]:
    """Yield a source for each file or page, under a path of its own; of more than `max_bytes` it fails as an item."""
    taken: set[str] = set()
    for file in files:
        path = _unique(relative_path(file.filename or ""), taken)
        taken.add(path)
        yield from sources_of(file, path, max_bytes, pages)


def sources_of(file: FileStorage, path: str, max_bytes: int, pages: PageChoice) -> Iterator[Source]:
    """Yield a file as a source of this path, or a source for each of its pages that is asked for."""
    if pages.is_first:
        yield Source(path=path, read=_Reader(file, max_bytes))
    else:
        yield from _page_sources(file, path, max_bytes, pages)


def refuse_if_all_are_too_large(files: Sequence[FileStorage], *, max_bytes: int) -> None:
    """Refuse an upload of which nothing could be used; a file among others fails alone.

    Raises:
        Refused: each file has more than `max_bytes`.
    """
    if files and all(_size(file) > max_bytes for file in files):
        limit = f"{max_bytes // 2**20:,} MiB" if max_bytes >= 2**20 else f"{max_bytes:,} bytes"
        which = "This file is" if len(files) == 1 else "All of these files are"
        raise Refused(413, f"{which} larger than {limit}, the most that an image may have: nothing was kept.")


def _size(file: FileStorage) -> int:
    end = file.stream.seek(0, SEEK_END)
    file.stream.seek(0)
    return end


def visible(text: str) -> str:
    """Return the text without characters that cannot be seen, end lines or turn their neighbours round."""
    return "".join(character for character in text if is_usable(character))


def relative_path(name: str) -> str:
    r"""Return the name that a browser sent as a relative path, with `/`, that leads nowhere else.

    `../../x`, `/x` and `C:\x` all become `x`; where the quoting of a form took the backslash, `C:x` is a name like any
    other. Characters that cannot be seen or that turn others round go; parts that are too long for a file system are
    cut before their extension. All else stays as its owner named it: what some file system does not take is changed in
    the names of results alone (`shared.portable`). docs/adr/0015 says why no library does this.
    """
    parts = (part.strip() for part in visible(name).replace("\\", "/").split("/"))
    kept = [_shortened(part) for part in parts if part.strip(". ") and not _is_drive(part)]
    return "/".join(kept[-_MAX_PARTS:]) or _UNNAMED


def _is_drive(part: str) -> bool:
    return len(part) == 2 and part[1] == ":"


def _shortened(part: str) -> str:
    encoded = part.encode()
    if len(encoded) <= _MAX_PART_BYTES:
        return part
    suffix = PurePosixPath(part).suffix
    ending = suffix if len(suffix.encode()) <= 10 else ""
    kept = encoded[: _MAX_PART_BYTES - len(ending.encode())].decode(errors="ignore")
    return kept.rstrip() + ending


def _unique(path: str, taken: set[str]) -> str:
    pure = PurePosixPath(path)
    number = 2
    while path in taken:
        path = str(pure.with_name(f"{pure.stem} ({number}){pure.suffix}"))
        number += 1
    return path


def _page_sources(file: FileStorage, path: str, max_bytes: int, choice: PageChoice) -> Iterator[Source]:
    """Yield a source for each of the pages of a file that are asked for."""
    stack = _Stack(file)
    found = pages_of(stack)
    numbers = choice.of(max(len(found), 1))
    if not numbers:
        yield Source(path, partial(_refuse, ItemErrorCode.NO_SUCH_PAGE, no_such_page(choice, max(len(found), 1))))
        return
    if len(found) < 2:
        yield Source(path, _Reader(file, max_bytes))
        return
    for number in numbers:
        page = found[number - 1]
        reason = f"a page of {page.size:,} bytes: the largest file accepted has {max_bytes:,}"
        too_large = partial(_refuse, ItemErrorCode.TOO_MANY_BYTES, reason)
        yield Source(page_path(path, number), too_large if page.size > max_bytes else partial(page.cut, stack))


def _refuse(code: ItemErrorCode, reason: str) -> NoReturn:
    raise ItemError(code, reason)


class _Stack:
    """An uploaded file of which several threads read parts."""

    def __init__(self, file: FileStorage) -> None:
        self._stream = file.stream
        self._lock = Lock()
        self.length = _size(file)

    def at(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset on, or fewer where there are no more."""
        with self._lock:
            self._stream.seek(min(offset, self.length))
            return self._stream.read(min(size, self.length))


class _Reader:
    """Reads one uploaded file, which lies in memory or in a temporary file of this request."""

    def __init__(self, file: FileStorage, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes

    def __call__(self) -> bytes:
        self._file.stream.seek(0)
        data = self._file.stream.read(self._max_bytes + 1)
        if len(data) > self._max_bytes:
            raise ItemError(ItemErrorCode.TOO_MANY_BYTES, f"the file is larger than {self._max_bytes:,} bytes")
        return data
