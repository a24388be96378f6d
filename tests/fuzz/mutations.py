"""Broken files made of sound ones: by blind changes, and by changes that know the format and keep it plausible."""

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from tests.corpus.damage import BAD_BYTES, animation, with_pillow
from tests.corpus.encodings import ENCODINGS
from tests.corpus.kinds import KINDS
from tests.corpus.scenes import picture

_SIZES = ((96, 64), (33, 17), (16, 300))
_MAX_RUN_BYTES = 64  # bytes that one blind change moves or removes
# Where sizes, counts and offsets go wrong: zero, one, signs, and the limits of this product and of the formats.
_NUMBERS = (0, 1, 2, 3, 15, 16, 255, 256, 4095, 4096, 4097, 32767, 32768, 65535, 2**24 - 1)
_LARGE_NUMBERS = (2**16, 2**28, 2**30, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 8, 2**63, 2**64 - 1)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Kind(StrEnum):
    """What is done to a file."""

    BIT = "bit"
    BYTE = "byte"
    NUMBER = "number"
    HEADER = "header"  # a number near the beginning, where most formats keep their sizes
    CUT = "cut"
    DELETE = "delete"
    REPEAT = "repeat"
    ZERO = "zero"
    SPLICE = "splice"  # the rest is that of another file
    PNG_PIXELS = "png pixels"  # in the decompressed stream, compressed again
    PNG_CHECKSUMS = "png checksums"  # made to fit, so that changes before this one get past them
    TIFF_TAG = "tiff tag"


@dataclass(frozen=True)
class Mutation:
    """One change: its kind, where in the file (0 to below 1), and a number that decides the rest."""

    kind: Kind
    at: float
    value: int  # 0 to 2⁶⁴ − 1


@cache
def bases() -> dict[str, bytes]:
    """The sound and the damaged files that mutations start from, by name."""
    files = {
        f"{name} {width}x{height}": encoding.encode(picture(width, height, seed=7))
        for name, encoding in ENCODINGS.items()
        for width, height in _SIZES
    }
    files |= {f"bad {name}": make() for name, (make, _) in BAD_BYTES.items()}
    files |= {f"kind {name}": make(picture(96, 64, seed=7)) for name, make in KINDS.items()}
    files |= {f"animated {name}": animation(name) for name in ("GIF", "PNG", "WEBP", "TIFF")}
    return files | {"still GIF": with_pillow("GIF")}


def draw(rng: random.Random) -> tuple[str, list[Mutation]]:
    """Return the name of a base and what to do to it, drawn from `rng`."""
    name = rng.choice(sorted(bases()))
    kinds = list(Kind)
    count = rng.choice((1, 1, 1, 2, 2, 3, 5, 12))
    made = [Mutation(rng.choice(kinds), rng.random(), rng.getrandbits(64)) for _ in range(count)]
    if rng.random() < 0.5:
        made.append(Mutation(Kind.PNG_CHECKSUMS, 0, 0))
    return name, made


def mutate(data: bytes, mutations: list[Mutation]) -> bytes:
    """Apply the mutations in turn; one that does not fit the file's format does nothing."""
    for mutation in mutations:
        if not data:
            break
        data = _APPLY[mutation.kind](data, int(mutation.at * len(data)), mutation.value)
    return data


def _bit(data: bytes, at: int, value: int) -> bytes:
    return _put(data, at, bytes([data[at] ^ 1 << value % 8]))


def _byte(data: bytes, at: int, value: int) -> bytes:
    return _put(data, at, bytes([value % 256]))


def _number(data: bytes, at: int, value: int) -> bytes:
    return _put(data, at, _awkward(value))


def _header(data: bytes, at: int, value: int) -> bytes:
    return _put(data, at % min(len(data), 96), _awkward(value))


def _cut(data: bytes, at: int, _value: int) -> bytes:
    return data[:at]


def _delete(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + data[at + 1 + value % _MAX_RUN_BYTES :]


def _repeat(data: bytes, at: int, value: int) -> bytes:
    run = data[at : at + 1 + value % _MAX_RUN_BYTES]
    return data[:at] + run * (1 + (value >> 8) % 64) + data[at:]


def _zero(data: bytes, at: int, value: int) -> bytes:
    return _put(data, at, bytes(1 + value % _MAX_RUN_BYTES))


def _splice(data: bytes, at: int, value: int) -> bytes:
    other = bases()[sorted(bases())[value % len(bases())]]
    return data[:at] + other[min(at, len(other)) :]


def _png_checksums(data: bytes, _at: int, _value: int) -> bytes:
    if not data.startswith(_PNG_SIGNATURE):
        return data
    return _PNG_SIGNATURE + b"".join(_chunk(kind, payload) for kind, payload in _chunks(data))


def _png_pixels(data: bytes, _at: int, value: int) -> bytes:
    if not data.startswith(_PNG_SIGNATURE):
        return data
    chunks = list(_chunks(data))
    packed = b"".join(payload for kind, payload in chunks if kind == b"IDAT")
    try:
        pixels = zlib.decompressobj().decompress(packed, 2**20)
    except zlib.error:
        return data
    if not pixels:
        return data
    changed = _APPLY[list(Kind)[value % 8]](pixels, value % len(pixels), value >> 8)
    head = [_chunk(kind, payload) for kind, payload in chunks if kind not in (b"IDAT", b"IEND")]
    return b"".join([_PNG_SIGNATURE, *head, _chunk(b"IDAT", zlib.compress(changed, 1)), _chunk(b"IEND", b"")])


def _tiff_tag(data: bytes, at: int, value: int) -> bytes:
    """Change the type, count or value of a tag of the first directory."""
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(data[:4])
    if order is None:
        return data
    directory = int.from_bytes(data[4:8], order)  # type: ignore[arg-type]
    entries = int.from_bytes(data[directory : directory + 2], order)  # type: ignore[arg-type]
    if not entries:
        return data
    entry = directory + 2 + 12 * (at % entries)
    offset, size = ((2, 2), (4, 4), (8, 2), (8, 4))[value % 4]
    number = (*_NUMBERS, *_LARGE_NUMBERS)[(value >> 8) % (len(_NUMBERS) + len(_LARGE_NUMBERS))]
    return _put(data, entry + offset, (number % 2 ** (8 * size)).to_bytes(size, order))  # type: ignore[arg-type]


def _awkward(value: int) -> bytes:
    size = (1, 2, 4, 8)[value % 4]
    numbers = _NUMBERS if size < 4 else _NUMBERS + _LARGE_NUMBERS
    number = numbers[(value >> 8) % len(numbers)] % 2 ** (8 * size)
    return number.to_bytes(size, "big" if value & 128 else "little")


def _put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG_SIGNATURE)
    while at + 8 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(kind: bytes, payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + kind + payload + zlib.crc32(kind + payload).to_bytes(4, "big")


_APPLY: dict[Kind, Callable[[bytes, int, int], bytes]] = {
    Kind.BIT: _bit,
    Kind.BYTE: _byte,
    Kind.NUMBER: _number,
    Kind.HEADER: _header,
    Kind.CUT: _cut,
    Kind.DELETE: _delete,
    Kind.REPEAT: _repeat,
    Kind.ZERO: _zero,
    Kind.SPLICE: _splice,
    Kind.PNG_PIXELS: _png_pixels,
    Kind.PNG_CHECKSUMS: _png_checksums,
    Kind.TIFF_TAG: _tiff_tag,
}
