"""Check whether a file is safetensors, and say what else it is, which the person who put it there must know."""

import hashlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from shared.errors import CheckpointError
from shared.net.strict_json import parse

_MAX_HEADER_BYTES = 2**20  # bytes; of a few hundred tensors it has some twenty thousand
_MAX_TENSORS = 4096
_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4}

Shape = tuple[int, ...]


def check_weights_file(path: Path) -> dict[str, Shape]:
    """Look whether `path` is a whole safetensors file, at bytes alone: nothing is unpickled, executed or allocated.

    Returns:
        The shapes of its tensors by name, as its header tells them.

    Raises:
        CheckpointError: it is not; one line with the reason and the remedy.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(512)
            foreign = _foreign_kind(head)
            if foreign is not None:
                raise CheckpointError(f"{path} is {foreign}")
            header_length = int.from_bytes(head[:8], "little")
            if header_length > _MAX_HEADER_BYTES:
                raise CheckpointError(_unknown(path))
            file.seek(8)
            header = file.read(header_length)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if len(header) < header_length:
        raise CheckpointError(_truncated(path, size))
    try:
        shapes, data_length = _tensors(header)
    except ValueError as error:
        raise CheckpointError(_unknown(path)) from error
    whole = 8 + header_length + data_length
    if size < whole:
        raise CheckpointError(_truncated(path, size))
    if size > whole:
        raise CheckpointError(f"{path} goes on for {size - whole:,} bytes behind its tensors: copy the weights again")
    return shapes


def file_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _foreign_kind(head: bytes) -> str | None:
    """Return what the first bytes say the file is, with the remedy; None where they may begin a safetensors file."""
    if not head:
        return "empty: copy the weights again"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page, not weights: download the file itself, not the page that links to it"
    if head.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer, not the weights: run `git lfs pull`"
    if head.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return "a pickle (.pt, .pth), which is never opened here: use weights in the safetensors format"
    if len(head) < 8:
        return "truncated: copy the weights again"
    return None


def _tensors(header: bytes) -> tuple[dict[str, Shape], int]:
    """Return the shapes that a safetensors header announces, and the bytes of all tensors together.

    Raises:
        ValueError: it is other JSON, or none, or does not describe tensors that follow one another.
    """
    entries = parse(header)
    if not isinstance(entries, dict):
        raise ValueError("not a safetensors header")
    entries.pop("__metadata__", None)
    if len(entries) > _MAX_TENSORS:
        raise ValueError("too many tensors")
    described = {name: _described(entry) for name, entry in entries.items()}
    end = 0
    for shape, item_bytes, begin, stop in sorted(described.values(), key=lambda each: each[2:]):
        if begin != end or stop - begin != prod(shape) * item_bytes:
            raise ValueError("tensors overlap, leave gaps, or have other sizes than their shapes")
        end = stop
    return {name: entry[0] for name, entry in described.items()}, end


def _described(entry: object) -> tuple[Shape, int, int, int]:
    """Shape, bytes of a number, and where the tensor begins and ends."""
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [begin, end], **others} if not others:
            if dtype in _ITEM_BYTES and len(shape) <= 8 and all(_is_count(each) for each in (*shape, begin, end)):
                return tuple(shape), _ITEM_BYTES[dtype], begin, end
    raise ValueError("not a tensor's description")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**48


def differing(expected: Mapping[str, Shape], found: Mapping[str, Shape]) -> list[str]:
    """Return the names of tensors that are missing, unknown or of another shape."""
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def _truncated(path: Path, size: int) -> str:
    return f"{path} is truncated ({size:,} bytes are there): copy the weights again"


def _unknown(path: Path) -> str:
    return f"{path} is not a safetensors file: use one written by training.train"
