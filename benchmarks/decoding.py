"""What decoding in a process of its own costs, in CPU time per image: `shared.images.isolated` against the codec.

    python benchmarks/decoding.py
    python benchmarks/decoding.py --sides 512 --count 500

CPU time, not wall-clock time, so that what else the machine does counts least; it has that of the kernel in it, and
that of the decoder process less its start. Repeats alternate, and the best of each counts.
"""

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import psutil
import tifffile
from numpy.typing import NDArray
from PIL import Image

from shared.images.codec import DecodeLimits, decode, encode_grey
from shared.images.isolated import Decoders
from shared.synth import synthesise

LIMITS = DecodeLimits(min_side=16, max_side=4096)


def sources(side: int) -> Iterator[tuple[str, bytes]]:
    """The same noisy scene in the encodings that people have."""
    grey = np.asarray(Image.fromarray(synthesise(1, severity=0.5).image).resize((side, side)))
    yield "PNG, 8 bits", encode_grey(grey)
    yield "PNG, 16 bits", bytes(imagecodecs.png_encode(grey.astype(np.uint16) * 257, level=1))
    yield "JPEG", _with_pillow(grey)
    yield "TIFF, 16 bits, LZW", _tiff(grey)


def _with_pillow(grey: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _tiff(grey: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, grey.astype(np.uint16) * 257, compression="lzw")
    return buffer.getvalue()


def per_image(work: Callable[[bytes], object], data: bytes, count: int) -> tuple[float, float]:
    """CPU and wall-clock milliseconds of this process per image."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(count):
        work(data)
    return (time.process_time() - cpu) * 1000 / count, (time.perf_counter() - wall) * 1000 / count


def isolated(data: bytes, count: int) -> tuple[float, float, float]:
    """CPU milliseconds per image of this process and of the decoder, and wall-clock milliseconds."""
    decoders = Decoders(LIMITS, seconds=600, processes=1)
    per_image(decoders.decode, data, 3)
    [child] = psutil.Process().children()
    before = _spent(child)
    here, wall = per_image(decoders.decode, data, count)
    there = (_spent(child) - before) * 1000 / count
    decoders.close()
    return here, there, wall


def _spent(process: psutil.Process) -> float:
    """CPU seconds of a process so far; finer than its `cpu_times`, which go by the clock's ticks."""
    return int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0]) / 1e9


def start_cost(count: int = 5) -> float:
    """CPU seconds that the start of a decoder process takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(count):
        decoders = Decoders(LIMITS, seconds=600, processes=1)
        decoders.decode(encode_grey(np.zeros((16, 16), np.uint8)))
        decoders.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / count


def memory() -> float:
    """MiB of a decoder process that are its own, after a 512×512 image."""
    decoders = Decoders(LIMITS, seconds=600, processes=1)
    decoders.decode(encode_grey(np.zeros((512, 512), np.uint8)))
    [child] = psutil.Process().children()
    own = child.memory_full_info().uss / 2**20
    decoders.close()
    return float(own)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description="CPU time per image of decoding, here and in a process of its own.")
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 2048])
    parser.add_argument("--count", type=int, default=200, help="images of 512×512, fewer of larger ones")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print("| CPU ms per image | codec, in the process | isolated: here | isolated: decoder | more in all | more time |")
    print("|---|---|---|---|---|---|")
    for side in options.sides:
        count = max(5, options.count * 512**2 // side**2)
        for name, data in sources(side):
            bare, apart = (float("inf"),) * 2, (float("inf"),) * 3
            for _ in range(options.repeats):
                bare = min(bare, per_image(lambda data: decode(data, limits=LIMITS), data, count))
                apart = min(apart, isolated(data, count), key=lambda times: times[0] + times[1])
            here, there, wall = apart
            print(
                f"| {side}×{side} {name} | {bare[0]:.2f} | {here:.2f} | {there:.2f} | {here + there - bare[0]:+.2f} "
                f"| {wall - bare[1]:+.2f} |",
                flush=True,
            )
    print(f"\nStart of a decoder: {start_cost():.2f} s of CPU. Memory of its own: {memory():.0f} MiB.")


if __name__ == "__main__":
    main()
