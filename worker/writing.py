"""Whether a picture is a page of writing: lines of strokes with empty rows between them."""

import numpy as np
from numpy.typing import NDArray

_INK = (0.015, 0.4)  # share of the pixels that strokes cover
_MIN_STROKES = 8  # begun in a row of a line
_MIN_LINES = 3
_LINE_PX = (3, 80)  # height of a line
_EMPTY = 0.15  # of the strokes that a row of a line has; a row with fewer is between lines
_MIN_EMPTY = 0.12  # of the rows from the first line to the last
_MAX_STROKE = 0.3  # of a line's height: the width of a stroke
_MAX_UNLIKE = 0.5  # difference of the middle half of the lines' heights, as a share of the usual one


def is_writing(pixels: NDArray[np.float32]) -> bool:
    """Tell whether a picture H×W, in any units, dark on light or light on dark, shows lines of writing across it."""
    middle = (float(pixels.min()) + float(pixels.max())) / 2
    ink = pixels > middle
    if ink.mean() > 0.5:
        ink = ~ink
    if not _INK[0] <= ink.mean() <= _INK[1]:
        return False
    begun = np.count_nonzero(ink[:, 1:] & ~ink[:, :-1], axis=1)
    usual = np.quantile(begun, 0.95)
    if usual < _MIN_STROKES:
        return False
    edges = np.flatnonzero(np.diff(np.concatenate([[0], begun > _EMPTY * usual, [0]]).astype(np.int8)))
    heights = edges[1::2] - edges[::2]
    lines = heights[(heights >= _LINE_PX[0]) & (heights <= _LINE_PX[1])]
    if len(lines) < _MIN_LINES or lines.sum() < 0.8 * heights.sum():
        return False
    empty = 1 - heights.sum() / (edges[-1] - edges[0])
    low, usual_height, high = np.quantile(lines, [0.25, 0.5, 0.75])
    stroke = np.count_nonzero(ink) / begun.sum()
    is_thin = stroke <= _MAX_STROKE * usual_height
    return bool(empty >= _MIN_EMPTY and high - low <= _MAX_UNLIKE * usual_height and is_thin)
