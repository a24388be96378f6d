"""What preparing an image costs, beside standardising it alone.

    python -m benchmarks.preparation

Of images in which nothing is to be done, which are most, it should cost next to nothing; with an uneven ground or a
frame it may cost more. All are of 512×512 in 8 bits, but the large one, whose figure is of its preparation in windows.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Effort, Row, alternate, command, own_cpu_ms
from shared.images.normalise import standardise
from shared.images.preparation import InMemory, Preparation, prepare
from shared.synth import synthesise

_MAX_MORE_MS = 0.5


def rows(effort: Effort) -> list[Row]:
    """Milliseconds of CPU of both, and the difference."""
    count = effort.of(200, 2)
    found: list[Row] = []
    for name, image, is_left_alone in _images():
        sides: dict[str, Callable[[], float]] = {
            "standardise": partial(own_cpu_ms, partial(standardise, image), count),
            "prepare": partial(own_cpu_ms, partial(prepare, image), count),
        }
        samples = alternate(sides, effort.rounds)
        more = [whole - part for whole, part in zip(samples["prepare"], samples["standardise"], strict=True)]
        found += [
            *(Row.of(f"{name}: {side}", "ms CPU", each) for side, each in samples.items()),
            Row.of(f"{name}: more", "ms CPU", more, at_most=_MAX_MORE_MS if is_left_alone else None),
        ]
    large = InMemory(np.tile(synthesise(0, severity=0.5).image, (8, 8)))
    measured = [own_cpu_ms(partial(Preparation.of, large), 1) for _ in range(effort.rounds)]
    return [*found, Row.of("4096×4096, in windows: measured", "ms CPU", measured)]


def _images() -> list[tuple[str, NDArray[np.uint8], bool]]:
    clean, noisy = (synthesise(0, noise=noise).image for noise in ("none", None))
    slope = np.clip(noisy * 0.5 + np.linspace(0, 127, 512), 0, 255).astype(np.uint8)
    framed = noisy.copy()
    framed[:40] = framed[-40:] = framed[:, :40] = framed[:, -40:] = 255
    return [("clean", clean, True), ("noisy", noisy, True), ("uneven ground", slope, False), ("frame", framed, False)]


if __name__ == "__main__":
    command(__doc__, rows)
