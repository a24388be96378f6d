"""Memory that a decoder process and its parent share, used as a file.

Reads and writes copy, where a mapping would not; but a file that the other side has made shorter gives fewer bytes,
where a mapping would end the process that looks at it.
"""

import os
import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray


def create() -> int:
    """Return the descriptor of an empty file without a name, in memory where the system has that."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("delineate-scratch")
    return create_on_disk()


def create_on_disk() -> int:
    """Return the descriptor of an empty file without a name, in the folder for temporary files (TMPDIR)."""
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def write(descriptor: int, data: bytes | memoryview, at: int = 0) -> None:
    """Write `data` at an offset of the file."""
    rest = memoryview(data).cast("B")
    written = 0
    while written < len(rest):
        written += os.pwrite(descriptor, rest[written:], at + written)


def read(descriptor: int, length: int) -> bytes:
    """Return the first `length` bytes, or fewer where there are no more."""
    parts = [os.pread(descriptor, length, 0)]  # one call moves 2 GiB at most
    offset = len(parts[0])
    while parts[-1] and offset < length:
        parts.append(os.pread(descriptor, length - offset, offset))
        offset += len(parts[-1])
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_pixels(descriptor: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the pixels at the beginning, H×W or C×H×W.

    Raises:
        ValueError: the file ends before.
    """
    pixels = np.empty(shape, dtype=dtype)
    rest = pixels.data.cast("B")
    offset = 0
    while offset < len(rest):
        count = os.preadv(descriptor, [rest[offset:]], offset)
        if not count:
            raise ValueError("fewer pixels than announced")
        offset += count
    return pixels


def shrink(descriptor: int, most_bytes: int) -> None:
    """Give the memory back where it is more than `most_bytes`."""
    if os.fstat(descriptor).st_size > most_bytes:
        os.ftruncate(descriptor, 0)
