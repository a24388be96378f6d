"""What counting the objects of a mask of 512×512 px costs a worker, beside `scipy.ndimage.label`."""

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.measure import Effort, Row, alternate, command, own_cpu_ms
from shared.objects.components import count_objects

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
    return found


if __name__ == "__main__":
    command(__doc__, rows)
