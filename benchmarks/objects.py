"""What objects cost: counting those of a mask of 512×512 px in a worker, and the memory of measuring a large mask's."""

import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.measure import Effort, Row, alternate, command, own_cpu_ms
from shared.images.codec import encode_mask, encode_probability, level_bands, mask_bands
from shared.memory import peak_memory_mib
from shared.objects.components import count_objects
from shared.objects.objects import Objects
from shared.objects.table import measured

SIDE = 512

Mask = NDArray[np.bool_]


def two_shapes() -> Mask:
    """Return two discs."""
    row, column = np.indices((SIDE, SIDE))
    mask: Mask = (np.hypot(row - 150, column - 150) < 90) | (np.hypot(row - 380, column - 350) < 75)
    return mask


def ragged() -> Mask:
    """Return smoothed noise cut at its middle: some hundreds of objects."""
    noise = np.random.default_rng(0).standard_normal((SIDE, SIDE))
    mask: Mask = ndimage.gaussian_filter(noise, 3.2) > 0.02
    return mask


def by_scipy(mask: Mask) -> int:
    """Count as SciPy does."""
    return int(ndimage.label(mask, np.ones((3, 3)))[1])


def rows(effort: Effort) -> list[Row]:
    """Milliseconds of CPU for each mask, by our counting and by SciPy's."""
    found = []
    for name, mask in (("two shapes", two_shapes()), ("ragged", ragged())):
        count = count_objects(mask)
        if count != by_scipy(mask):
            raise RuntimeError(f"{name}: {count} objects, but {by_scipy(mask)} by scipy: a defect in shared.objects")
        ways = {"the worker's": partial(count_objects, mask), "scipy.ndimage.label": partial(by_scipy, mask)}
        sides = {way: partial(own_cpu_ms, work, effort.of(200, 2)) for way, work in ways.items()}
        for way, samples in alternate(sides, effort.rounds).items():
            found.append(Row.of(f"{name}, {count}: {way}", "ms CPU per mask", samples))
    side = effort.of(10_000, 1_024)
    return [*found, *(_memory(side, name, mask) for name, mask in (("two shapes", two_shapes()), ("ragged", ragged())))]


def _memory(side: int, name: str, tile: Mask) -> Row:
    """Peak of a process that measures the objects of side×side px of such tiles, beyond what it had with both files."""
    times = -(-side // SIDE)
    mask = np.tile(tile, (times, times))[:side, :side]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mask.png").write_bytes(encode_mask(mask))
        (Path(folder) / "map.png").write_bytes(encode_probability(mask * np.uint8(200) + np.uint8(20)))
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            count, peak = process.submit(_measured, Path(folder)).result()
    return Row.of(f"{side:,}×{side:,}, {name}, {count:,} objects: memory of all measures", "MiB", [peak])


def _measured(folder: Path) -> tuple[int, float]:
    """Return how many objects there are, and the memory in MiB that it took to measure them."""
    mask, probability = ((folder / name).read_bytes() for name in ("mask.png", "map.png"))
    before = peak_memory_mib(os.getpid())
    objects = Objects.of_bands(mask_bands(mask))
    measured(objects, level_bands(probability), None)
    return len(objects), peak_memory_mib(os.getpid()) - before


if __name__ == "__main__":
    command(__doc__, rows)
