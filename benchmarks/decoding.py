"""What decoding in a process of its own costs, in CPU time per image: `shared.images.isolated` against the codec.

    python -m benchmarks.decoding

CPU time, not wall-clock time, so that what else the machine does counts least; it has that of the kernel in it, and
that of the decoder process less its start.
"""

import resource
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import psutil
import tifffile
from numpy.typing import NDArray
from PIL import Image

from benchmarks.measure import Effort, Row, alternate, command, own_cpu_ms
from shared.images.codec import DecodeLimits, decode, encode_grey
from shared.images.isolated import Decoders
from shared.synth import synthesise

LIMITS = DecodeLimits(min_side=16, max_side=4096)
_UNIT = "ms CPU per image"


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


def per_image(work: Callable[[bytes], object], data: bytes, count: int) -> float:
    """CPU milliseconds of this process per image."""
    return own_cpu_ms(lambda: work(data), count)


def isolated(data: bytes, count: int) -> float:
    """CPU milliseconds per image of this process and of the decoder."""
    decoders = Decoders(LIMITS, seconds=600, processes=1)
    per_image(decoders.decode, data, 3)
    [child] = psutil.Process().children()
    before = _spent(child)
    here = per_image(decoders.decode, data, count)
    there = (_spent(child) - before) * 1000 / count
    decoders.close()
    return here + there


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


def rows(effort: Effort) -> list[Row]:
    """Compare for each encoding and side the codec here with the same in a decoder process, and tell what that adds."""
    found: list[Row] = []
    for side in (512,) if effort.quick else (512, 2048):
        count = effort.of(max(5, 200 * 512**2 // side**2), 5)
        for name, data in sources(side):
            sides: dict[str, Callable[[], float]] = {
                "in the process": partial(per_image, partial(decode, limits=LIMITS), data, count),
                "apart": partial(isolated, data, count),
            }
            samples = alternate(sides, effort.rounds)
            more = [apart - bare for apart, bare in zip(samples["apart"], samples["in the process"], strict=True)]
            found += [
                *(Row.of(f"{side}×{side} {name}, {where}", _UNIT, each) for where, each in samples.items()),
                Row.of(f"{side}×{side} {name}, more for being apart", _UNIT, more),
            ]
    found.append(Row.of("start of a decoder", "s CPU", [start_cost(1) for _ in range(effort.rounds)]))
    return [*found, Row.of("memory of a decoder's own", "MiB", [memory()])]


if __name__ == "__main__":
    command(__doc__, rows)
