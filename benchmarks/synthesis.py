"""How many samples a second the synthesis makes: torch in batches against the numpy reference one by one.

    python -m benchmarks.synthesis

A sample is a 512×512 image of the val distribution, standardised, and its mask; every round makes the same ones. On a
GPU where there is one, else on one thread of the CPU.
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks.measure import Effort, Row, alternate, command, ratios
from shared.images.normalise import standardise
from shared.net.device import resolve_device
from shared.synth import DEFAULT_DEFINITION, find_definition, synthesise
from training.data.synthesis import training_pairs


def rows(effort: Effort) -> list[Row]:
    """Both rates for some sizes of a batch, and their ratio."""
    device = resolve_device("auto")
    definition = find_definition(DEFAULT_DEFINITION)
    torch.set_num_threads(1)
    found: list[Row] = []
    for count in (2,) if effort.quick else (8, 32):
        sides: dict[str, Callable[[], float]] = {
            "numpy": partial(rate, _in_numpy, count, device),
            "torch": partial(rate, partial(training_pairs, device=device, definition=definition), count, device),
        }
        for warm_up in sides.values():
            warm_up()
        samples = alternate(sides, effort.rounds)
        found += [
            Row.of(
                f"torch on {device.type} ÷ numpy, batches of {count}",
                "ratio",
                ratios(samples["torch"], samples["numpy"]),
            ),
            *(Row.of(f"{name}, batches of {count}", "samples/s", each) for name, each in samples.items()),
        ]
    return found


def rate(make: Callable[[range], object], count: int, device: torch.device) -> float:
    """Samples per second, of `count` samples at a time."""
    start = time.perf_counter()
    make(range(count))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return count / (time.perf_counter() - start)


def _in_numpy(seeds: range) -> object:
    return [standardise(synthesise(seed, severity=1.0).image.astype(np.float32)) for seed in seeds]


if __name__ == "__main__":
    command(__doc__, rows)
