"""What images of 50 and 100 megapixels take: time, CPU and the worker's peak memory.

    python -m benchmarks.large_images

Each image is a job of its own in the full stack with objects in a local folder, and each has a worker of its own, whose
peak resident memory (VmHWM) is read when the job has ended. They are mosaics of synthetic scenes.
"""

import argparse
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import tifffile
from numpy.typing import NDArray
from PIL import Image

from benchmarks.stack import Stack, full_stack
from shared.images.codec import decode_mask
from shared.store import keys
from shared.synth import synthesise

_SCENES = 12
_HEIGHT, _WIDTHS = 5_000, (10_000, 20_000)


def mosaic(height: int, width: int) -> NDArray[np.uint8]:
    """Scenes of 512×512 px side by side, a dozen in turns."""
    scenes = [synthesise(seed, severity=0.4).image for seed in range(_SCENES)]
    rows, columns = -(-height // 512), -(-width // 512)
    picture = np.block([[scenes[(5 * row + column) % _SCENES] for column in range(columns)] for row in range(rows)])
    return np.ascontiguousarray(picture[:height, :width])


def _tiled(image: NDArray[np.uint8]) -> bytes:
    return _tiff(image, compression="zlib", tile=(512, 512))


def _stripped(image: NDArray[np.uint8]) -> bytes:
    return _tiff(image, compression="lzw", rowsperstrip=64)


def _tiff(image: NDArray[np.uint8], **options: object) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, image, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


ENCODINGS: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
    "TIFF, tiles, Deflate": _tiled,
    "TIFF, strips, LZW": _stripped,
    "PNG": _png,
}


def main() -> None:
    """Print a row for each encoding and width."""
    parser = argparse.ArgumentParser(description="Large images through the whole stack.")
    parser.add_argument("--only", choices=list(ENCODINGS), help="Just this encoding.")
    chosen = parser.parse_args().only
    with TemporaryDirectory(prefix="delineate-benchmark-") as folder:
        store = Path(folder) / "objects"
        with full_stack(STORE_URL=store.as_uri(), WORKER_DEVICE="cpu") as stack:
            print("| image | file MB | seconds | CPU s, worker | peak MiB, worker |\n|---|---|---|---|---|")
            for name, encode in ENCODINGS.items():
                for width in _WIDTHS if chosen in (None, name) else ():
                    _run(stack, f"{width:,}×{_HEIGHT:,} {name}", encode(mosaic(_HEIGHT, width)), width)


def _run(stack: Stack, name: str, data: bytes, width: int) -> None:
    key = f"benchmark/large-{time.monotonic_ns()}.tif"
    stack.services.store.put(key, data)
    with stack.worker() as worker:
        process = psutil.Process(worker.pid)
        before = process.cpu_times()
        seconds = stack.seconds_of_job([key])
        after = process.cpu_times()
        peak = _peak_mib(worker.pid)
    (job,) = stack.services.repository.jobs(limit=1)
    (item,) = stack.services.repository.items(job.id, limit=2)
    mask = decode_mask(stack.services.store.get(keys.mask(job.id, item.id)))
    if mask.shape != (_HEIGHT, width) or (item.width, item.height) != (width, _HEIGHT):
        raise RuntimeError(f"a mask of {mask.shape} px for {name}")
    cpu = after.user + after.system - before.user - before.system
    print(f"| {name} | {len(data) / 1e6:.0f} | {seconds:.1f} | {cpu:.1f} | {peak:.0f} |", flush=True)


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main()
