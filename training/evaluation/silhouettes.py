"""Silhouettes that no blob generator makes, filled with the benchmark's dots: the set of shapes never trained on.

Points are (x, y) in pixels. "ring" is the outer contour of an elliptical ring, filled.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.synth import Definition, Sample, apply_noise, sample_noise
from shared.synth.blobs import fill_polygon, is_accepted
from shared.synth.dotblob import DotBlobScene
from shared.synth.dots import render_dots, sample_centres
from training.evaluation.sets import EvaluationCase

LETTERS = "CEFGHIJKLMNSTUVWXYZ"  # of one contour, without a hole
_EXTENT = (0.5, 0.95)  # of a silhouette's longer side, as a share of the room on the canvas

Points = NDArray[np.float64]


def silhouette_sample(case: EvaluationCase, definition: Definition, size: int) -> Sample:
    """Make the case's sample. Its dots, intensities and noise are drawn as the definition says."""
    if case.shape is None:
        raise ValueError("the case has no silhouette")
    for_scene, for_noise, for_pixels = (np.random.default_rng((case.seed, stream)) for stream in range(3))
    mask = silhouette(case.shape, for_scene, definition, size)
    d = definition
    count = int(for_scene.integers(*d.dots, endpoint=True))
    jitter = for_scene.uniform(*d.jitter)
    centres = sample_centres(for_scene, mask, count, jitter * size)
    scene = DotBlobScene(
        size=size,
        control_points=(),  # the outline is not a blob's
        dot_centres=tuple((float(x), float(y)) for x, y in centres),
        dot_radii=tuple(for_scene.uniform(*d.dot_radius_px, count).tolist()),
        dot_amplitudes=tuple(for_scene.uniform(*d.amplitude, count).tolist()),
        jitter=jitter,
        background=for_scene.uniform(*d.background),
        contrast=for_scene.uniform(*d.contrast),
    )
    dots = render_dots(centres, np.array(scene.dot_radii), np.array(scene.dot_amplitudes), (size, size))
    clean = np.float32(scene.background) + np.float32(scene.contrast) * dots
    kind = case.noise if isinstance(case.noise, str) else None
    noise = sample_noise(for_noise, case.severity, definition, kind=kind)
    return Sample(apply_noise(clean, noise, for_pixels), clean, mask, scene, noise)


def silhouette(kind: str, rng: np.random.Generator, definition: Definition, size: int) -> NDArray[np.bool_]:
    """Draw a filled silhouette of one of the kinds in `SILHOUETTES`, of an area that the definition accepts."""
    outline = {"polygon": _polygon, "star": _star, "ring": _ring, "letter": _letter}[kind]
    while True:
        mask = fill_polygon(_placed(outline(rng), rng, definition.margin_px, size), size, size)
        if is_accepted(mask, definition.area_share):
            return mask


def _placed(points: Points, rng: np.random.Generator, margin: float, size: int) -> Points:
    """Scale the points, and move them to a place that keeps the margin (px)."""
    points = points - points.min(axis=0)
    points = points * ((size - 2 * margin) * rng.uniform(*_EXTENT) / points.max())
    placed: Points = points + margin + rng.uniform(size=2) * (size - 2 * margin - points.max(axis=0))
    return placed


def _polygon(rng: np.random.Generator) -> Points:
    """Draw three to eight corners, straight edges."""
    n = int(rng.integers(3, 8, endpoint=True))
    angles = 2 * np.pi * (np.arange(n) + rng.uniform(-0.3, 0.3, n)) / n + rng.uniform(0, 2 * np.pi)
    return _polar(angles, rng.uniform(0.6, 1.0, n))


def _star(rng: np.random.Generator) -> Points:
    """Draw a star of four to eight tips."""
    n = int(rng.integers(4, 8, endpoint=True))
    angles = np.pi * np.arange(2 * n) / n + rng.uniform(0, 2 * np.pi)
    return _polar(angles, np.where(np.arange(2 * n) % 2, rng.uniform(0.4, 0.65), 1.0))


def _ring(rng: np.random.Generator) -> Points:
    """Draw an ellipse, turned."""
    t = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    turn, ratio = rng.uniform(0, np.pi), rng.uniform(0.5, 1.0)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    ellipse: Points = np.column_stack([np.cos(t), ratio * np.sin(t)]) @ rotation
    return ellipse


def _letter(rng: np.random.Generator) -> Points:
    """Draw a capital of DejaVu Sans Bold, which comes with matplotlib."""
    from matplotlib import get_data_path  # here, since it takes a second and letters alone need it
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(fname=Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf")
    path = TextPath((0, 0), str(rng.choice(list(LETTERS))), size=100, prop=font)
    (outline,) = path.to_polygons()
    upright: Points = np.asarray(outline, dtype=np.float64) * np.array([1.0, -1.0])  # rows count downwards
    return upright


def _polar(angles: Points, radii: Points) -> Points:
    points: Points = radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    return points
