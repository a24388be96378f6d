"""Pictures of the product's kind, in any size, cheap enough for hundreds of files."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.synth import synthesise

_SCENES = 12


@cache
def _scene(number: int) -> NDArray[np.uint8]:
    return synthesise(number, severity=number / _SCENES).image


def picture(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """H×W uint8: one of a dozen noisy scenes, turned or mirrored by the seed and brought to the size asked for."""
    turned = np.rot90(_scene(seed % _SCENES), seed // _SCENES % 4)
    return np.asarray(Image.fromarray(turned).resize((width, height), Image.Resampling.BILINEAR))
