"""What `--scale` is worth: Dice on scenes whose dots are larger or smaller than those that the network knows.

    python -m benchmarks.resampling [--scenes N]

The scenes are those of dotblob-v1 with everything in them enlarged, and the noise put on afterwards: it is of the
camera's pixels. Prints the mean Dice as the images are, and with the scale that brings their dots back to size.
"""

import argparse
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from shared.config import DEFAULT_MODEL
from shared.images.metrics import dice
from shared.images.resample import resample, scaled
from shared.net.predictor import Predictor
from shared.synth import synthesise
from shared.synth.noise import apply_noise

_ENLARGED = (0.5, 2.0, 3.0)
_SEVERITIES = (0.2, 0.5, 0.8)


def main() -> None:
    """Print a row for each size of dots."""
    parser = argparse.ArgumentParser(description="Dice with and without --scale.")
    parser.add_argument("--scenes", type=int, default=8, help="At each of three severities of noise.")
    scenes = parser.parse_args().scenes
    predictor = Predictor.load(DEFAULT_MODEL, "cpu")
    print("| dots | images | Dice as they are | scale | Dice with it |\n|---|---|---|---|---|")
    for factor in _ENLARGED:
        plain, resampled = [], []
        for severity in _SEVERITIES:
            for seed in range(scenes):
                image, truth = _enlarged(seed, severity, factor)
                plain.append(dice(_mask(predictor, image, 1.0), truth))
                resampled.append(dice(_mask(predictor, image, 1 / factor), truth))
        side = round(512 * factor)
        print(
            f"| {factor:g}× as large | {len(plain)} of {side}×{side} | {mean(plain):.3f} "
            f"| {1 / factor:.3g} | {mean(resampled):.3f} |",
            flush=True,
        )


def _enlarged(seed: int, severity: float, factor: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    sample = synthesise(900_000 + seed, severity=severity)
    shape = scaled(sample.clean.shape, factor)
    clean = np.clip(resample(sample.clean, shape), 0, 1)
    truth = resample(sample.mask.astype(np.float32), shape) >= 0.5
    return apply_noise(clean, sample.noise, np.random.default_rng(seed)).astype(np.float32), truth


def _mask(predictor: Predictor, image: NDArray[np.float32], scale: float) -> NDArray[np.bool_]:
    shape = (image.shape[0], image.shape[1])
    probability = predictor.predict_image(resample(image, scaled(shape, scale)))
    mask: NDArray[np.bool_] = resample(probability, shape) >= predictor.threshold
    return mask


if __name__ == "__main__":
    main()
