"""What `--scale` is worth: Dice on scenes whose dots are larger or smaller than those that the network knows.

    python -m benchmarks.resampling

The scenes are those of dotblob-v1 with everything in them enlarged, and the noise put on afterwards: it is of the
camera's pixels. Dice is that of the images as they are, with the scale that brings their dots back to size, and with
the one that the worker chooses by the dots' spacing.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Effort, Row, command
from shared.config import DEFAULT_MODEL
from shared.images.metrics import dice
from shared.images.preparation import InMemory
from shared.images.resample import resample, scaled
from shared.net.predictor import Predictor
from shared.synth import apply_noise, synthesise
from worker.spacing import own_scale

_ENLARGED = (0.25, 0.5, 2.0, 4.0)
_SEVERITIES = (0.2, 0.5, 0.8)


def rows(effort: Effort) -> list[Row]:
    """Three rows for each size of dots."""
    predictor = Predictor.load(DEFAULT_MODEL, "cpu")
    found = []
    for factor in _ENLARGED:
        scenes = [_enlarged(seed, severity, factor) for severity in _SEVERITIES for seed in range(effort.of(8, 1))]
        for name, scale in (("as they are", 1.0), (f"--scale {1 / factor:.3g}", 1 / factor)):
            scores = [dice(_mask(predictor, image, scale), truth) for image, truth in scenes]
            found.append(Row.of(f"dots {factor:g} times as large, {name}", "Dice", scores))
        own = [dice(_mask(predictor, image, own_scale(InMemory(image))), truth) for image, truth in scenes]
        found.append(Row.of(f"dots {factor:g} times as large, --scale auto", "Dice", own))
    return found


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
    command(__doc__, rows)
