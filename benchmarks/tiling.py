"""Whether tiling shows: masks of images that go through the network whole, and of the same images in tiles.

    python -m benchmarks.tiling

The images are 1536 px a side: nine shapes on one ground, at three severities of noise. Agreement is that of the
interior, 256 px and more from the image's border, where whole and tiles see the same border; Dice is that of the whole
image to its truth. The worker cuts tiles of 1024 px that overlap by 256; what smaller ones would give stands beside
it, and what each scene would get as an image of its own: tiles of 512 px without overlap.
"""

from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.images import mosaic
from benchmarks.measure import Effort, Row, command, own_cpu_ms
from shared.config import DEFAULT_MODEL
from shared.images.metrics import dice
from shared.images.normalise import standardise
from shared.net.predictor import Predictor
from shared.net.tiling import TILE_OVERLAP, TILE_SIDES, TilePlan, cut, plan_tiles, stitch

_SIDE, _BORDER = 1536, 256
_SEVERITIES = (0.1, 0.4, 0.8)
_CUTS = ((512, 0), (512, 64), (512, 128), (768, 192), (TILE_SIDES[-1], TILE_OVERLAP))


def rows(effort: Effort) -> list[Row]:
    """Agreement for each cut, and what it costs."""
    predictor = Predictor.load(DEFAULT_MODEL, "cpu")
    mosaics = [
        mosaic(_SIDE, _SIDE, first=12 * number, severity=severity)
        for severity in _SEVERITIES
        for number in range(effort.of(4, 1))
    ]
    scenes = [standardise(image) for image, _ in mosaics]
    truths = [truth for _, truth in mosaics]
    whole = plan_tiles(_SIDE, _SIDE, (_SIDE,))
    references = [_mask(predictor, scene, whole) for scene in scenes]
    found = [
        Row.of("Dice, whole", "Dice", list(map(dice, references, truths))),
        Row.of("CPU, whole", "ms CPU per megapixel", [_cpu_ms(predictor, scenes[0], whole)]),
    ]
    inside = slice(_BORDER, -_BORDER), slice(_BORDER, -_BORDER)
    for side, overlap in _CUTS:
        plan = plan_tiles(_SIDE, _SIDE, (side,), overlap)
        masks = [_mask(predictor, scene, plan) for scene in scenes]
        agreement = [
            float((mask == reference)[inside].mean()) for mask, reference in zip(masks, references, strict=True)
        ]
        ours = (side, overlap) == _CUTS[-1]
        name = f"tiles of {side} px, overlap {overlap}"
        found += [
            Row.of(f"agreement with the whole, {name}", "ratio", agreement, at_least=0.995 if ours else None),
            Row.of(f"Dice, {name}", "Dice", list(map(dice, masks, truths))),
            Row.of(f"CPU, {name}", "ms CPU per megapixel", [_cpu_ms(predictor, scenes[0], plan)]),
        ]
    return found


def _mask(predictor: Predictor, image: NDArray[np.float32], plan: TilePlan) -> NDArray[np.bool_]:
    tiles = cut(image, plan)
    levels = (predictor.predict_tiles(tile[None])[0] for tile in tiles)
    mask: NDArray[np.bool_] = stitch(levels, plan) / 255 >= predictor.threshold
    return mask


def _cpu_ms(predictor: Predictor, image: NDArray[np.float32], plan: TilePlan) -> float:
    return median(own_cpu_ms(lambda: _mask(predictor, image, plan), 1) for _ in range(3)) / (image.size / 1e6)


if __name__ == "__main__":
    command(__doc__, rows)
