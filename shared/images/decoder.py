"""One decoder process: `python -m shared.images.decoder`, started and fed by `shared.images.isolated`.

It reads files from strangers with native libraries, so it holds nothing that they could take and is bounded in
what it can use up: no secrets in its environment, no connection but the one to its parent, a bound on its memory
that follows from the limits on pixels. Its parent bounds the time. Before the first file comes it gives up all that
decoding does not need (`shared.confinement`): a hole in a library then leads to this process's memory and no further.

For each image the parent writes the file's bytes into the memory they share, sends their number and which channel is
wanted, and reads an answer: one JSON object, with the pixels (of the type that it names, row by row) in the same
memory. No pickle goes either way.
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

from shared.confinement import confine
from shared.errors import ImageError, ItemErrorCode
from shared.images import scratch
from shared.images.channel_choice import MAX_PLANES
from shared.images.codec import DecodeLimits, decode

LENGTH_BYTES = 8
"""Bytes of a request that are the number of the image's; a word for the channel follows."""
MAX_ANSWER_BYTES = 4096
"""Bytes of an answer."""

BYTES_PER_PIXEL = 64
"""Memory that decoding may take for each pixel of the largest image accepted.

An RGB image of 16 bits needs 22 (6 as stored, 4 for the result, 12 for a sum on its way), one of 64 bits 60.
"""
BYTES_PER_SOURCE_BYTE = 4
"""… and for each byte of the file: itself, and what readers cut out of it and put together again."""
SLACK_BYTES = 128 * 2**20
"""… and for allocators."""
MAX_SAMPLE_BYTES = 4
"""Bytes of a sample in the scratch file."""


Answer = Callable[[int, int, DecodeLimits, str], dict[str, Any]]
"""What answers for an image: by the scratch file's descriptor, the number of its bytes there, its wanted channel."""


def main() -> None:
    """Decode one image after the other."""
    serve(_answer, BYTES_PER_PIXEL)


def serve(answer: Answer, bytes_per_pixel: int) -> None:
    """Answer until the parent hangs up. Arguments: descriptors of the connection and the memory, then the limits."""
    connection_descriptor, memory, *bounds = map(int, sys.argv[1:])
    _end_with_parent()
    limits = DecodeLimits(*bounds)
    load_libraries()
    logging.disable()  # what libraries say about odd files
    allowance = _address_space() + SLACK_BYTES + bytes_per_pixel * limits.max_pixels
    bound_for_good(resource.RLIMIT_AS, allowance + BYTES_PER_SOURCE_BYTE * limits.max_bytes)
    bound_for_good(resource.RLIMIT_FSIZE, limits.max_bytes + 4096 + MAX_SAMPLE_BYTES * MAX_PLANES * limits.max_pixels)
    confine()
    # The parent, killed or done with us, closes its ends.
    with Connection(connection_descriptor) as connection, suppress(EOFError, ConnectionError):
        connection.send_bytes(b"ready")
        while True:
            asked = connection.recv_bytes()
            length, channel = int.from_bytes(asked[:LENGTH_BYTES], "big"), asked[LENGTH_BYTES:].decode()
            _bound_memory(allowance + BYTES_PER_SOURCE_BYTE * length)
            connection.send_bytes(json.dumps(answer(memory, length, limits, channel)).encode())


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


def load_libraries() -> None:
    """Import what readers import when they first need it: later no file can be opened, and memory is bounded."""
    for name in _LOADED_LATE:
        import_module(name)


_LOADED_LATE = (
    "shared.images.readers.tiff",
    *(f"imagecodecs._{codec}" for codec in ("png", "imcd", "jpeg8", "deflate", "zlib", "zstd", "lzma")),
    *(f"encodings.{encoding}" for encoding in ("ascii", "latin_1", "cp1252", "utf_16", "utf_16_le", "utf_16_be")),
    "PIL.TiffImagePlugin",
    "numpy.ma",  # by percentiles
    "tifffile.geodb",
    "xml.etree.ElementTree",
)


def _address_space() -> int:
    """Bytes mapped at present."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:  # not Linux
        return 0


def _bound_memory(size: int) -> None:
    """Let the process map `size` bytes, after which allocations fail."""
    with suppress(ValueError, OSError):  # the one for good is lower
        resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))


def bound_for_good(limit: int, size: int) -> None:
    """Set a limit, or leave it where it is lower already."""
    hard = resource.getrlimit(limit)[1]
    size = size if hard == resource.RLIM_INFINITY else min(size, hard)
    with suppress(ValueError, OSError):  # macOS accepts none on memory
        resource.setrlimit(limit, (size, size))


def refusals(answer: Answer) -> Answer:
    """Turn what `answer` raises for an image into an answer too."""

    @wraps(answer)
    def guarded(memory: int, length: int, limits: DecodeLimits, channel: str) -> dict[str, Any]:
        try:
            return answer(memory, length, limits, channel)
        except ImageError as error:
            return {"code": error.code, "reason": str(error)}
        except MemoryError:
            return {
                "code": ItemErrorCode.DECODE_MEMORY,
                "reason": "the file needs more memory than the largest image accepted: convert it to plain 8-bit grey",
            }

    return guarded


@refusals
def _answer(memory: int, length: int, limits: DecodeLimits, channel: str) -> dict[str, Any]:
    image = decode(scratch.read(memory, length), limits=limits, channel=channel)
    scratch.write(memory, np.ascontiguousarray(image.pixels).data)
    return {
        "planes": image.pixels.shape[0] if image.pixels.ndim == 3 else 0,
        "height": image.height,
        "width": image.width,
        "dtype": image.pixels.dtype.name,
        "format": image.format,
        "mode": image.mode,
        "bit_depth": image.bit_depth,
        "note": image.note,
        "has_holes": image.has_holes,
        "pixel_size": None if image.pixel_size is None else [image.pixel_size.x, image.pixel_size.y],
        "is_transparent": image.is_transparent,
    }


if __name__ == "__main__":
    main()
