"""How many samples a second the synthesis makes: torch in batches against the numpy reference one by one.

    python benchmarks/synthesis.py
    python benchmarks/synthesis.py --device cuda --batches 32 128

A sample is a 512×512 image of the val distribution, standardised, and its mask. Every repeat makes the
same samples and the best counts, so that what else the machine does counts least.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from shared.images.normalise import standardise
from shared.net.device import resolve_device
from shared.synth import synthesise
from training.synthesis import training_pairs


def rate(make: Callable[[range], object], count: int, repeats: int, device: torch.device) -> float:
    """Samples per second, of `count` samples at a time."""
    make(range(count))
    best = float("inf")
    for _ in range(repeats):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        make(range(count))
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return count / best


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description="Samples per second of the synthesis.")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--threads", type=int, default=1, help="of torch on a CPU (default: 1)")
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    device = resolve_device(options.device)
    torch.set_num_threads(options.threads)

    def in_numpy(seeds: range) -> object:
        return [standardise(synthesise(seed, severity=1.0).image.astype(np.float32)) for seed in seeds]

    def in_torch(seeds: range) -> object:
        return training_pairs(seeds, device)

    print(f"| samples per second | numpy, one thread | torch, {device}, {options.threads} threads | ratio |")
    print("|---|---|---|---|")
    for count in options.batches:
        reference = rate(in_numpy, count, options.repeats, torch.device("cpu"))
        found = rate(in_torch, count, options.repeats, device)
        print(f"| batches of {count} | {reference:.0f} | {found:.0f} | {found / reference:.1f} |", flush=True)


if __name__ == "__main__":
    main()
