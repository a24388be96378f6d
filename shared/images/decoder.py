"""One decoder process: `python -m shared.images.decoder`, started and fed by `shared.images.isolated`.

It reads files from strangers with native libraries, so it holds nothing that they could take and is bounded in
what it can use up: no secrets in its environment, no connection but the one to its parent, a bound on its memory
that follows from the limits on pixels. Its parent bounds the time.

For each image the parent writes the file's bytes into the memory they share, sends their number, and reads an
answer: one JSON object, with the pixels (of the type that it names, row by row) in the same memory. No pickle goes
either way.
"""

import fcntl
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import ImageError, ItemErrorCode
from shared.images import scratch
from shared.images.codec import DecodeLimits, decode

MAX_ANSWER_BYTES = 4096
"""Bytes of an answer."""

BYTES_PER_PIXEL = 64
"""Memory that decoding may take for each pixel of the largest image accepted.

An RGB image of 16 bits needs 22 (6 as stored, 4 for the result, 12 for a sum on its way), one of 64 bits 60.
"""
BYTES_PER_SOURCE_BYTE = 4
"""… and for each byte of the file: itself, and what readers cut out of it and put together again."""
SLACK_BYTES = 128 * 2**20
"""… and for allocators, and for libraries that are loaded on first use."""


Answer = Callable[[int, int, DecodeLimits], dict[str, Any]]
"""What answers for the image whose bytes, so many, lie in the scratch file of that descriptor."""


def main() -> None:
    """Decode one image after the other."""
    serve(_answer, BYTES_PER_PIXEL)


def serve(answer: Answer, bytes_per_pixel: int) -> None:
    """Answer until the parent hangs up. Arguments: descriptors of the connection and the memory, then the limits."""
    connection_descriptor, memory, min_side, max_side, max_pixels = map(int, sys.argv[1:])
    _end_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limits = DecodeLimits(min_side, max_side, max_pixels)
    _load_libraries()
    logging.disable()  # what libraries say about odd files
    allowance = _address_space() + SLACK_BYTES + bytes_per_pixel * limits.max_pixels
    # The parent, killed or done with us, closes its ends.
    with Connection(connection_descriptor) as connection, suppress(EOFError, ConnectionError):
        connection.send_bytes(b"ready")
        while True:
            length = int.from_bytes(connection.recv_bytes(), "big")
            _bound_memory(allowance + BYTES_PER_SOURCE_BYTE * length)
            connection.send_bytes(json.dumps(answer(memory, length, limits)).encode())


def _end_with_parent() -> None:
    """Live exactly as long as the parent does.

    Standard input is a pipe on which nothing ever comes; when its other end closes the kernel sends SIGIO, which
    ends a process even inside of a library's endless loop. What a service manager sends to all of a service's
    processes is for the parent, which may have images to finish.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    standard_input = sys.stdin.fileno()
    fcntl.fcntl(standard_input, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(standard_input, fcntl.F_SETFL, fcntl.fcntl(standard_input, fcntl.F_GETFL) | os.O_ASYNC)


def _load_libraries() -> None:
    """Import what readers import when they first need it, before memory is bounded."""
    for name in ("imagecodecs", "shared.images.readers.tiff"):
        import_module(name)


def _address_space() -> int:
    """Bytes mapped at present."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:  # not Linux
        return 0


def _bound_memory(size: int) -> None:
    """Let the process map `size` bytes, after which allocations fail."""
    with suppress(ValueError, OSError):  # macOS accepts no such limit; a lower one may hold already
        resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))


def refusals(answer: Answer) -> Answer:
    """Turn what `answer` raises for an image into an answer too."""

    @wraps(answer)
    def guarded(memory: int, length: int, limits: DecodeLimits) -> dict[str, Any]:
        try:
            return answer(memory, length, limits)
        except ImageError as error:
            return {"code": error.code, "reason": str(error)}
        except MemoryError:
            return {
                "code": ItemErrorCode.DECODE_MEMORY,
                "reason": "the file needs more memory than the largest image accepted: convert it to plain 8-bit grey",
            }

    return guarded


@refusals
def _answer(memory: int, length: int, limits: DecodeLimits) -> dict[str, Any]:
    image = decode(scratch.read(memory, length), limits=limits)
    scratch.write(memory, np.ascontiguousarray(image.pixels).data)
    return {
        "height": image.height,
        "width": image.width,
        "dtype": image.pixels.dtype.name,
        "format": image.format,
        "mode": image.mode,
        "bit_depth": image.bit_depth,
        "note": image.note,
    }


if __name__ == "__main__":
    main()
