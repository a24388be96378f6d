"""The dots that fill a blob: where they lie, and the antialiased discs they leave."""

import numpy as np
from numpy.typing import NDArray


def sample_centres(
    rng: np.random.Generator, mask: NDArray[np.bool_], count: int, jitter_px: float
) -> NDArray[np.float64]:
    """Draw centres (count, 2) of (x, y): uniform over the mask, then moved by N(0, jitter_px²) per axis."""
    inside = np.flatnonzero(mask)
    rows, columns = np.divmod(inside[rng.integers(len(inside), size=count)], mask.shape[1])
    uniform = np.column_stack([columns, rows]) + rng.uniform(size=(count, 2))
    return uniform + jitter_px * rng.standard_normal((count, 2))


def render_dots(
    centres: NDArray[np.float64], radii: NDArray[np.float64], amplitudes: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Draw the maximum over the dots of amplitude × coverage: float32 (height, width), 0 where none is.

    Coverage falls from 1 to 0 over the one pixel around the radius. What leaves the canvas is cut off.
    """
    height, width = shape
    reach = int(np.ceil(radii.max(initial=0.0))) + 1
    window = np.arange(-reach, reach + 1)
    columns = np.floor(centres[:, 0]).astype(np.intp)[:, None] + window  # (count, window)
    rows = np.floor(centres[:, 1]).astype(np.intp)[:, None] + window
    dx = columns + 0.5 - centres[:, :1]
    dy = rows + 0.5 - centres[:, 1:]
    distance = np.sqrt(dx[:, None, :] ** 2 + dy[:, :, None] ** 2)  # (count, window, window)
    coverage = np.clip(radii[:, None, None] + 0.5 - distance, 0.0, 1.0)
    values = (amplitudes[:, None, None] * coverage).astype(np.float32)

    on_canvas = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    flat = (rows[:, :, None] * width + columns[:, None, :])[on_canvas]
    canvas = np.zeros(height * width, dtype=np.float32)
    np.maximum.at(canvas, flat, values[on_canvas])
    return canvas.reshape(shape)
