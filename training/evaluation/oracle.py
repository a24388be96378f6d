"""How well can the outline be known from the dots at all? Estimators that are given every dot's exact position.

They look at no pixel, so noise is nothing to them; the dots' random number, places and jitter are all that hides the
outline. Their parameters are chosen on scenes that are not scored. Lengths are in units of a scene's spacing,
sqrt(area of the dots' convex hull / number of dots). The best of them is a hint at the limit, not a bound: a network
knows what blobs look like, these do not.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.spatial import ConvexHull

from shared.images.metrics import dice
from shared.synth import Definition, Sample
from shared.synth.blobs import fill_polygon
from training.data.seeds import ORACLE_SEEDS
from training.evaluation.scoring import generate
from training.evaluation.sets import EvaluationCase, clean_cases, shapes_cases

Mask = NDArray[np.bool_]
Centres = NDArray[np.float64]  # (N, 2) of (x, y) in pixels
Estimates = Iterator[tuple[str, Mask]]  # the parameters in words, and what they give


def convex_hull(centres: Centres, size: int) -> Estimates:
    """Estimate by the convex hull, moved outwards by a margin."""
    hull = ConvexHull(centres)
    outside = distance_transform_edt(~fill_polygon(centres[hull.vertices], size, size))
    for margin in (0.0, 0.1, 0.2, 0.3, 0.5):
        yield f"margin {margin}", outside <= margin * _spacing(centres)


def alpha_hull(centres: Centres, size: int) -> Estimates:
    """Estimate by the α-hull (the closing of the dots by a disc), moved outwards by a margin."""
    spacing = _spacing(centres)
    room = size // 4  # for discs that leave the canvas
    nearest = distance_transform_edt(~_raster(centres + room, size + 2 * room))
    for radius in (1.5, 2.0, 3.0, 4.0, 6.0):
        depth = distance_transform_edt(nearest <= radius * spacing)
        depth = depth[room : room + size, room : room + size]
        for margin in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
            yield f"radius {radius}, margin {margin}", depth > (radius - margin) * spacing


def density_level(centres: Centres, size: int) -> Estimates:
    """Estimate by a level set of the Gaussian kernel density, the level as a share of its mean at the dots."""
    dots = _raster(centres, size).astype(np.float32)
    for width in (0.9, 1.2, 1.5, 1.9):
        density = gaussian_filter(dots, width * _spacing(centres), mode="constant", truncate=3)
        typical = float(density[dots > 0].mean())
        for level in (0.25, 0.35, 0.45, 0.55, 0.65):
            yield f"width {width}, level {level}", density >= level * typical


ESTIMATORS: dict[str, Callable[[Centres, int], Estimates]] = {
    "convex hull": convex_hull,
    "α-hull": alpha_hull,
    "kernel density": density_level,
}


@dataclass(frozen=True)
class OracleScore:
    """An estimator's best parameters on the scenes to choose on, and its Dice on the others and on the shapes."""

    parameters: str
    dice: float
    shapes: float
    images: int

    def to_dict(self) -> dict[str, Any]:
        """Return the score as plain JSON types."""
        return dict(vars(self))


def oracle_scores(count: int, choosing: int, definition: Definition) -> dict[str, OracleScore]:
    """Score every estimator: mean Dice on the first `count` val scenes and on silhouettes that no blob generator makes.

    Its parameters are chosen on `choosing` other scenes.
    """
    chosen_on = [generate(EvaluationCase(seed, "none"), definition) for seed in ORACLE_SEEDS[:choosing]]
    scored = [generate(case, definition) for case in clean_cases(count)]
    shapes = [generate(case, definition) for case in shapes_cases(count)]
    result = {}
    for name, estimate in ESTIMATORS.items():
        tried = _mean_dice(estimate, chosen_on)
        best = max(tried, key=tried.__getitem__)
        result[name] = OracleScore(best, _mean_dice(estimate, scored)[best], _mean_dice(estimate, shapes)[best], count)
    return result


def _mean_dice(estimate: Callable[[Centres, int], Estimates], samples: Sequence[Sample]) -> dict[str, float]:
    scores: dict[str, list[float]] = {}
    for sample in samples:
        for parameters, mask in estimate(np.array(sample.scene.dot_centres), sample.scene.size):
            scores.setdefault(parameters, []).append(dice(mask, sample.mask))
    return {parameters: float(np.mean(values)) for parameters, values in scores.items()}


def _spacing(centres: Centres) -> float:
    return float(np.sqrt(ConvexHull(centres).volume / len(centres)))  # of a flat hull, volume is the area


def _raster(centres: Centres, size: int) -> Mask:
    """Set one pixel for each dot that lies on the canvas."""
    mask = np.zeros((size, size), dtype=bool)
    column, row = np.floor(centres).astype(np.intp).T
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    mask[row[inside], column[inside]] = True
    return mask
