"""What counting the objects of a mask costs a worker, beside `scipy.ndimage.label`: `python -m benchmarks.objects`."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from shared.objects.components import count_objects

SIDE = 512
_TIMES = 100

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


def milliseconds(count: Callable[[Mask], int], mask: Mask) -> float:
    """Return the least time of this thread that counting took."""
    best = float("inf")
    for _ in range(_TIMES):
        started = time.thread_time()
        count(mask)
        best = min(best, time.thread_time() - started)
    return best * 1000


def by_scipy(mask: Mask) -> int:
    """Count as SciPy does."""
    return int(ndimage.label(mask, np.ones((3, 3)))[1])


def main() -> None:
    """Print a line for each mask."""
    for name, mask in (("two shapes", two_shapes()), ("ragged", ragged())):
        ours, theirs = milliseconds(count_objects, mask), milliseconds(by_scipy, mask)
        found = count_objects(mask)
        if found != by_scipy(mask):
            raise SystemExit(f"{name}: {found} objects, but {by_scipy(mask)} by scipy: a defect in shared.objects")
        print(f"{name}: {found} objects, {ours:.3f} ms; scipy.ndimage.label {theirs:.3f} ms")


if __name__ == "__main__":
    main()
