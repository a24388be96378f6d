"""What images of 4, 50 and 100 megapixels take: time, CPU, and the worker's peak memory.

    python -m benchmarks.large_images

Each image is a job of its own on the full stack, mosaics of synthetic scenes, and each has a worker of its own whose
peak resident memory is read when the job has ended; its decoders are not in it. A TIFF of tiles or strips is decoded
piece by piece, a PNG as a whole, in a process of its own.
"""

import time
from collections.abc import Callable
from io import BytesIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.images import mosaic
from benchmarks.measure import Effort, Row, command, cpu_seconds
from benchmarks.stack import Stack, full_stack
from shared.images.codec import decode_mask, encode_grey
from shared.memory import peak_memory_mib
from shared.store import keys

_SIZES = ((2_000, 2_000), (10_000, 5_000), (20_000, 5_000))  # width × height
_QUICK_SIZE = (2_500, 2_000)


def _tiled(image: NDArray[np.uint8]) -> bytes:
    return _tiff(image, compression="zlib", tile=(512, 512))


def _stripped(image: NDArray[np.uint8]) -> bytes:
    return _tiff(image, compression="lzw", rowsperstrip=64)


def _tiff(image: NDArray[np.uint8], **options: object) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, image, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


ENCODINGS: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
    "TIFF of Deflate tiles": _tiled,
    "TIFF of LZW strips": _stripped,
    "PNG": encode_grey,
}


def rows(effort: Effort) -> list[Row]:
    """Four rows for each encoding and size."""
    sizes = (_QUICK_SIZE,) if effort.quick else _SIZES
    with full_stack() as stack:
        return [
            row
            for width, height in sizes
            for name, encode in ENCODINGS.items()
            for row in _run(stack, f"{width:,}×{height:,} {name}", encode(mosaic(height, width)[0]), (height, width))
        ]


def _run(stack: Stack, name: str, data: bytes, shape: tuple[int, int]) -> list[Row]:
    key = f"benchmark/large-{time.monotonic_ns()}"
    stack.services.store.put(key, data)
    with stack.worker(WORKER_DEVICE="cpu") as worker:
        stack.seconds_of_job(stack.sources(8))
        start = cpu_seconds([worker.pid])
        seconds = stack.seconds_of_job([key])
        cpu = cpu_seconds([worker.pid]) - start
        peak = peak_memory_mib(worker.pid)
    [job] = stack.services.repository.jobs(limit=1)
    [item] = stack.services.repository.items(job.id, limit=2)
    mask = decode_mask(stack.services.store.get(keys.mask(job.id, item.id)))
    if mask.shape != shape or (item.height, item.width) != shape:
        raise RuntimeError(f"a mask of {mask.shape} px for {name}")
    megapixels = mask.size / 1e6
    return [
        Row.of(f"{name}: time", "s", [seconds]),
        Row.of(f"{name}: rate", "megapixels/s", [megapixels / seconds]),
        Row.of(f"{name}: CPU of worker and decoders", "ms CPU per megapixel", [1000 * cpu / megapixels]),
        Row.of(f"{name}: peak memory of the worker", "MiB", [peak]),
    ]


if __name__ == "__main__":
    command(__doc__, rows)
