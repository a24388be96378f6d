"""The pages of a TIFF as files of their own: found, counted and cut out without a pixel being decoded.

Each full picture of a file is a page: reduced copies and masks are none, whichever axis the pages stand for is nobody's
guess, and pictures that follow the first without a directory of their own, as ImageJ, tifffile and MetaMorph write
them, count as well. A page becomes a TIFF of one picture, with the bytes of its strips or tiles as they are. What is
damaged in one page harms that page alone.

Only numbers are read here, every one of them bounded by the file: what a library would do with hostile bytes is left
to the decoder. Neither numpy nor tifffile is needed, so that whoever submits can do without.
"""

import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Protocol

MAX_PAGES = 100_000
"""Of a file; a chain of more is cut."""

_MAX_TAGS = 4096
_MAX_SEGMENTS = 2**20
_MAX_DESCRIPTION = 2**20
_SLACK = 2**24
_REDUCED_OR_MASK = 0b101  # of NewSubfileType
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _DESCRIPTION = 254, 256, 257, 258, 259, 270
_STRIPS, _SAMPLES, _STRIP_BYTES, _TILES, _TILE_BYTES, _UIC2 = 273, 277, 279, 324, 325, 33629
_SEGMENTS = {_STRIPS: _STRIP_BYTES, _TILES: _TILE_BYTES}
# What says how samples become pixels, and how large those are. All others may lead out of a page, or say what holds of
# the whole file.
_KEPT = frozenset(
    {
        *(_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, 262, 266, 274, 278, 282, 283, 284, 292, 293, 296, 317, 320),
        *(322, 323, 332, 334, 336, 338, 339, 340, 341, 347, 512, 529, 530, 531, 532, 32997, 42113),
    }
)
_READ = _KEPT | {_SUBFILE, _DESCRIPTION, _UIC2, *_SEGMENTS, *_SEGMENTS.values()}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_IMAGEJ_COUNT = re.compile(rb"^images=(\d{1,9})$", re.MULTILINE)
_IMAGEJ_KEPT = (b"ImageJ=", b"unit=", b"xunit=", b"yunit=")
_OME_KEPT = re.compile(rb'\bPhysicalSize[XY](?:Unit)?="[^"<>]{1,40}"')


class Reading(Protocol):
    """A file of known length, read from anywhere."""

    @property
    def length(self) -> int:
        """Bytes."""
        ...

    def at(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset on, or fewer where there are no more."""
        ...


@dataclass(frozen=True)
class InMemory:
    """A file that is held."""

    data: bytes

    @property
    def length(self) -> int:
        """Bytes."""
        return len(self.data)

    def at(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset on, or fewer where there are no more."""
        return self.data[offset : offset + size]


@dataclass(frozen=True)
class _Tag:
    kind: int
    count: int
    value: bytes  # as stored, in the file's byte order


@dataclass(frozen=True)
class Page:
    """One page: its tags, and where its strips or tiles lie."""

    order: str  # "<" or ">"
    is_big: bool
    tags: Mapping[int, _Tag]
    segments: tuple[tuple[int, int], ...]  # offset, bytes
    segment_tag: int

    def cut(self, source: Reading) -> bytes:
        """Return the page as a TIFF of its own; where the file ends early, so does it."""
        pieces, left = [], source.length  # many a segment may be said to be the whole file
        for offset, size in self.segments:
            pieces.append(source.at(offset, min(size, left)))
            left -= len(pieces[-1])
        return self._file(pieces)

    @property
    def size(self) -> int:
        """Bytes of what `cut` gives of a whole file."""
        return len(self._file([])) + sum(size for _, size in self.segments)

    def _file(self, pieces: list[bytes]) -> bytes:
        head = self._head(0)
        return b"".join([self._head(len(head)), *pieces])

    def _head(self, start: int) -> bytes:
        """Return header, directory and values of a file whose first segment begins at byte `start`."""
        kind, letter = (16, "Q") if self.is_big else (4, "I")
        offsets, at = [], start
        for _, size in self.segments:
            offsets.append(at)
            at += size
        tags = dict(self.tags)
        for tag, numbers in ((self.segment_tag, offsets), (_SEGMENTS[self.segment_tag], [n for _, n in self.segments])):
            tags[tag] = _Tag(kind, len(numbers), struct.pack(f"{self.order}{len(numbers)}{letter}", *numbers))
        return _directory(self.order, self.is_big, tags)


def _directory(order: str, is_big: bool, tags: Mapping[int, _Tag]) -> bytes:
    mark = b"II" if order == "<" else b"MM"
    inline = 8 if is_big else 4
    if is_big:
        head = mark + struct.pack(f"{order}HHHQ", 43, 8, 0, 16) + struct.pack(f"{order}Q", len(tags))
        entry, end = "HHQ", b"\0" * 8
    else:
        head = mark + struct.pack(f"{order}HI", 42, 8) + struct.pack(f"{order}H", len(tags))
        entry, end = "HHI", b"\0" * 4
    values_at = len(head) + len(tags) * (12 if not is_big else 20) + len(end)
    entries, values = [], b""
    for number, tag in sorted(tags.items()):
        value = tag.value
        if len(value) > inline:
            at = values_at + len(values)
            values += value + b"\0" * (-len(value) % 8)
            value = struct.pack(f"{order}{'Q' if is_big else 'I'}", at)
        entries.append(struct.pack(f"{order}{entry}", number, tag.kind, tag.count) + value.ljust(inline, b"\0"))
    return b"".join([head, *entries, end, values])


def pages_of(source: Reading) -> list[Page]:
    """Return the pages of a file, in their order; none where it is no TIFF, or its first directory is damaged."""
    pages: list[Page] = []
    first: dict[int, _Tag] | None = None
    for order, is_big, tags in _directories(source):
        first = tags if first is None else first
        if _number(order, tags.get(_SUBFILE)) & _REDUCED_OR_MASK:
            continue
        if (page := _page(order, is_big, tags, first)) is not None:
            pages.append(page)
    if len(pages) == 1 and first is not None:
        return list(_in_one_directory(pages[0], first))
    return pages


def _directories(source: Reading) -> Iterator[tuple[str, bool, dict[int, _Tag]]]:
    head = source.at(0, 16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return
    version = struct.unpack_from(f"{order}H", head, 2)[0]
    if version not in (42, 43):
        return
    is_big = version == 43
    if is_big and len(head) < 16:
        return
    at = struct.unpack_from(f"{order}Q", head, 8)[0] if is_big else struct.unpack_from(f"{order}I", head, 4)[0]
    seen: set[int] = set()
    left = 2 * source.length + _SLACK  # values may be shared by directories, but not all of them by all
    while at and at not in seen and at < source.length and len(seen) < MAX_PAGES and left > 0:
        seen.add(at)
        tags, at = _tags(source, at, order, is_big)
        left -= sum(len(tag.value) for tag in tags.values())
        yield order, is_big, tags


def _tags(source: Reading, at: int, order: str, is_big: bool) -> tuple[dict[int, _Tag], int]:
    """Return the tags of a directory and where the next one is: 0 where there is none, or this one ends early."""
    counted, entry_size, count_letter, letter, inline = (8, 20, "Q", "Q", 8) if is_big else (2, 12, "H", "I", 4)
    head = source.at(at, counted)
    count = struct.unpack(f"{order}{count_letter}", head)[0] if len(head) == counted else _MAX_TAGS + 1
    if count > _MAX_TAGS:
        return {}, 0
    data = source.at(at + counted, count * entry_size + inline)
    if len(data) < count * entry_size:
        return {}, 0
    tags = {}
    for index in range(count):
        number, kind, length = struct.unpack_from(f"{order}HH{letter}", data, index * entry_size)
        size = _SIZES.get(kind, 0) * length
        value = data[(index + 1) * entry_size - inline : (index + 1) * entry_size]
        if number not in _READ or not size:
            continue
        if number == _UIC2:
            value = b""  # only its count is of interest
        elif size <= inline:
            value = value[:size]
        elif size <= 8 * _MAX_SEGMENTS:
            value = source.at(struct.unpack(f"{order}{letter}", value)[0], size)
        else:
            continue
        tags[number] = _Tag(kind, length, value)
    end = data[count * entry_size :]
    return tags, struct.unpack(f"{order}{letter}", end)[0] if len(end) == inline else 0


def _page(order: str, is_big: bool, tags: Mapping[int, _Tag], first: Mapping[int, _Tag]) -> Page | None:
    """Return the page of a directory; None where it has no picture. What it says wrongly is the decoder's to tell."""
    if not _number(order, tags.get(_WIDTH)) or not _number(order, tags.get(_HEIGHT)):
        return None
    segment_tag = _TILES if _TILES in tags else _STRIPS
    offsets = _numbers(order, tags.get(segment_tag))
    sizes = _numbers(order, tags.get(_SEGMENTS[segment_tag]))
    if len(offsets) == 1 and not sizes:  # left out by old writers, of one strip without compression
        sizes = (_picture_bytes(order, tags),)
    kept = {number: tag for number, tag in tags.items() if number in _KEPT}
    if description := _description(first):
        kept[_DESCRIPTION] = _Tag(2, len(description) + 1, description + b"\0")
    return Page(order, is_big, kept, tuple(zip(offsets, sizes, strict=False)), segment_tag)


def _in_one_directory(page: Page, first: Mapping[int, _Tag]) -> Iterator[Page]:
    """Yield the pictures that lie one behind the other, of which only the first has a directory."""
    size = _picture_bytes(page.order, page.tags)
    count = _pictures_of(page, first)
    offsets = [offset for offset, _ in page.segments]
    runs_on = all(a + n == b for (a, n), b in zip(page.segments, offsets[1:], strict=False))
    is_plain = _number(page.order, page.tags.get(_COMPRESSION)) in (0, 1) and page.segment_tag == _STRIPS
    total = sum(n for _, n in page.segments)
    if count < 2 or not is_plain or not runs_on or not offsets or total not in (size, size * count):
        yield page
        return
    # One strip may be said to hold all of them.
    segments = page.segments if total == size else ((offsets[0], size),)
    tags = dict(page.tags)
    if total != size:
        tags[278] = page.tags[_HEIGHT]  # rows of a strip
    for index in range(min(count, MAX_PAGES)):
        moved = tuple((offset + index * size, n) for offset, n in segments)
        yield Page(page.order, page.is_big, tags, moved, page.segment_tag)


def _pictures_of(page: Page, first: Mapping[int, _Tag]) -> int:
    if _UIC2 in first:
        return first[_UIC2].count
    text = _text(first)
    if text.startswith(b"ImageJ="):
        found = _IMAGEJ_COUNT.search(text)
        return int(found[1]) if found else 1
    if text.startswith(b'{"shape": ['):
        try:
            shape = [int(side) for side in json.loads(text)["shape"]]
            height, width = (_number(page.order, page.tags.get(tag)) for tag in (_HEIGHT, _WIDTH))
            samples = _number(page.order, page.tags.get(_SAMPLES)) or 1
            return prod(shape) // (height * width * samples)
        except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError):
            return 1
    return 1


def _picture_bytes(order: str, tags: Mapping[int, _Tag]) -> int:
    height, width = (_number(order, tags.get(tag)) for tag in (_HEIGHT, _WIDTH))
    samples, bits = _number(order, tags.get(_SAMPLES)) or 1, _number(order, tags.get(_BITS)) or 1
    return height * (-(-width * samples * bits // 8))


def _description(first: Mapping[int, _Tag]) -> bytes:
    """Return what a description of the file says of the size of its pixels, alone: the rest speaks of all pages."""
    text = _text(first)
    if text.startswith(b"ImageJ="):
        return b"\n".join(row for row in text.split(b"\n") if row.startswith(_IMAGEJ_KEPT)) + b"\n"
    if sizes := dict.fromkeys(_OME_KEPT.findall(text)) if b"<OME" in text[:4096] else None:
        attributes = b" ".join({size.partition(b"=")[0]: size for size in reversed(sizes)}.values())
        return (
            b'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image><Pixels '
            + attributes
            + b"/></Image></OME>"
        )
    return b""


def _text(tags: Mapping[int, _Tag]) -> bytes:
    tag = tags.get(_DESCRIPTION)
    return b"" if tag is None or tag.kind != 2 else tag.value[:_MAX_DESCRIPTION].rstrip(b"\0")


def _number(order: str, tag: _Tag | None) -> int:
    numbers = _numbers(order, tag)
    return numbers[0] if numbers else 0


def _numbers(order: str, tag: _Tag | None) -> tuple[int, ...]:
    """Return the whole numbers of a tag; none where it has others, or ends early."""
    if tag is None or tag.kind not in _WHOLE or tag.count > _MAX_SEGMENTS:
        return ()
    if len(tag.value) != tag.count * _SIZES[tag.kind]:
        return ()
    return struct.unpack(f"{order}{tag.count}{_WHOLE[tag.kind]}", tag.value)
