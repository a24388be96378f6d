"""How well outlines of point tables fit: Dice by the spacing that their dots are drawn at.

    python -m benchmarks.points

The points are the dots of scenes of dotblob-v1 in the coordinates of a table, and four times as many. The network sees
them drawn anew, without noise. Dice is that with the blob that they were drawn from.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Effort, Row, command
from producer.points.drawing import DotChoice, drawn
from producer.points.table import Points
from shared.config import DEFAULT_MODEL
from shared.images.metrics import dice
from shared.net.predictor import Predictor
from shared.point_frame import PointFrame
from shared.synth.dotblob import DOTBLOB_V1
from shared.synth.dots import sample_centres

_SPACINGS = (6.0, 8.0, 12.0, 16.0, 20.0, 28.0)  # px
_TIMES = (1, 4)
_UNIT, _OFFSET = 0.37, 1000.0  # of the table, per pixel of the scene
_FIRST_SEED = 910_000


def rows(effort: Effort) -> list[Row]:
    """A row for each spacing of each density."""
    predictor = Predictor.load(DEFAULT_MODEL, "cpu")
    found = []
    for times in _TIMES:
        scenes = [_table(_FIRST_SEED + seed, times) for seed in range(effort.of(20, 1))]
        for spacing in _SPACINGS:
            scores = [_score(predictor, points, truth, spacing) for points, truth in scenes]
            found.append(Row.of(f"{times} × 15 to 80 points, {spacing:g} px apart", "Dice", scores))
    return found


def _table(seed: int, times: int) -> tuple[Points, NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    scene = DOTBLOB_V1.sample_scene(rng, size=DOTBLOB_V1.canvas_px)
    truth = scene.render().mask
    centres = np.array(scene.dot_centres)
    more = sample_centres(rng, truth, (times - 1) * len(centres), scene.jitter * scene.size)
    return Points(np.concatenate([centres, more]) * _UNIT + _OFFSET, None, ""), truth


def _score(predictor: Predictor, points: Points, truth: NDArray[np.bool_], spacing: float) -> float:
    frame, shape = DotChoice(spacing).frame(points, "")
    image = drawn(points, frame, shape).astype(np.float32)
    return dice(predictor.predict_image(image) >= predictor.threshold, _drawn_alike(truth, frame, shape))


def _drawn_alike(truth: NDArray[np.bool_], frame: PointFrame, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the scene's mask in the pixels of the picture."""
    rows, columns = np.indices(shape)
    places = frame.left + (columns + 0.5) * frame.pixel, frame.top + (rows + 0.5) * frame.pixel
    x, y = (np.floor((place - _OFFSET) / _UNIT).astype(int) for place in places)
    inside = (x >= 0) & (x < truth.shape[1]) & (y >= 0) & (y < truth.shape[0])
    alike = np.zeros(shape, dtype=bool)
    alike[inside] = truth[y[inside], x[inside]]
    return alike


if __name__ == "__main__":
    command(__doc__, rows)
