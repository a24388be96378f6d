"""Check whether a file is safetensors, and say what else it is, which the person who put it there must know."""

import hashlib
import json
from pathlib import Path

from shared.errors import CheckpointError

_MAX_HEADER_BYTES = 100_000_000  # bytes; the limit that the safetensors library sets


def check_weights_file(path: Path) -> None:
    """Look whether `path` is a whole safetensors file, at bytes alone: nothing is unpickled or executed.

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
    try:
        whole = 8 + header_length + _data_length(header) if len(header) == header_length else size + 1
    except ValueError as error:
        raise CheckpointError(_unknown(path)) from error
    if size < whole:
        raise CheckpointError(f"{path} is truncated ({size:,} bytes are there): copy the weights again")


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


def _data_length(header: bytes) -> int:
    """Return the bytes of tensor data that a safetensors header announces.

    Raises:
        ValueError: it is other JSON, or none.
    """
    entries = json.loads(header)
    try:
        ends = [entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"]
        return int(max(ends, default=0))
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise ValueError("not a safetensors header") from error


def _unknown(path: Path) -> str:
    return f"{path} is not a safetensors file: use one written by training.train"
