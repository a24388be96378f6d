"""A scene is a blob filled with dots: its parameters, drawn once, and the clean image and truth they make."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.errors import UsageError
from shared.synth.blobs import blob_mask, is_accepted, sample_control_points
from shared.synth.definition import DOTBLOB_V1
from shared.synth.dots import render_dots, sample_centres

Point = tuple[float, float]

MIN_SIZE = 64  # px; under it the margin and the dots' radii leave a blob no room
MAX_SIZE = 4096  # px
MAX_SCENE_DOTS = 5000
MAX_SCENE_JITTER = 0.5  # of the side


@dataclass(frozen=True)
class SceneParameters:
    """All that a clean image and its truth are made of. Points are (x, y) in pixels."""

    size: int
    control_points: tuple[Point, ...]
    dot_centres: tuple[Point, ...]
    dot_radii: tuple[float, ...]  # px
    dot_amplitudes: tuple[float, ...]
    jitter: float  # std of the dots' displacement, as a share of the canvas side
    background: float
    contrast: float

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types (tuples become lists in JSON)."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`, also after a passage through JSON."""
        return cls(
            size=int(data["size"]),
            control_points=_points(data["control_points"]),
            dot_centres=_points(data["dot_centres"]),
            dot_radii=tuple(float(r) for r in data["dot_radii"]),
            dot_amplitudes=tuple(float(a) for a in data["dot_amplitudes"]),
            jitter=float(data["jitter"]),
            background=float(data["background"]),
            contrast=float(data["contrast"]),
        )


@dataclass(frozen=True, eq=False)
class Scene:
    """A rendered scene: `clean` float32 (size, size) in [0, 1], `mask` bool (size, size), True inside."""

    clean: NDArray[np.float32]
    mask: NDArray[np.bool_]


def sample_scene(
    rng: np.random.Generator,
    *,
    size: int = DOTBLOB_V1.canvas_px,
    num_dots: int | None = None,
    jitter: float | None = None,
) -> SceneParameters:
    """Draw a scene of dotblob-v1. `num_dots` and `jitter` (share of the side) replace their own draws only.

    A blob whose area is out of range is drawn again. Raises `UsageError` for a value that makes no scene.
    """
    _check(size, num_dots, jitter)
    d = DOTBLOB_V1
    while True:
        control_points = sample_control_points(rng, size)
        mask = blob_mask(control_points, size)
        if is_accepted(mask):
            break
    # Drawn even when replaced, so that a fixed number of dots keeps the seed's blob, background and contrast.
    drawn_dots = int(rng.integers(*d.dots, endpoint=True))
    drawn_jitter = rng.uniform(*d.jitter)
    background = rng.uniform(*d.background)
    contrast = rng.uniform(*d.contrast)
    count = drawn_dots if num_dots is None else num_dots
    jitter = drawn_jitter if jitter is None else jitter
    centres = sample_centres(rng, mask, count, jitter * size)
    return SceneParameters(
        size=size,
        control_points=_points(control_points.tolist()),
        dot_centres=_points(centres.tolist()),
        dot_radii=tuple(rng.uniform(*d.dot_radius_px, count).tolist()),
        dot_amplitudes=tuple(rng.uniform(*d.amplitude, count).tolist()),
        jitter=jitter,
        background=background,
        contrast=contrast,
    )


def render_scene(parameters: SceneParameters) -> Scene:
    """The clean image, b + c · max over the dots of their amplitude, and the filled contour."""
    dots = render_dots(
        np.array(parameters.dot_centres, dtype=np.float64).reshape(-1, 2),
        np.array(parameters.dot_radii, dtype=np.float64),
        np.array(parameters.dot_amplitudes, dtype=np.float64),
        parameters.size,
    )
    clean = np.float32(parameters.background) + np.float32(parameters.contrast) * dots
    mask = blob_mask(np.array(parameters.control_points, dtype=np.float64), parameters.size)
    return Scene(clean, mask)


def _points(pairs: Iterable[Sequence[float]]) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in pairs)


def _check(size: int, num_dots: int | None, jitter: float | None) -> None:
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise UsageError(f"a scene of {size} px: use a size from {MIN_SIZE} to {MAX_SIZE}")
    if num_dots is not None and not 1 <= num_dots <= MAX_SCENE_DOTS:
        raise UsageError(f"a scene of {num_dots} dots: use a number from 1 to {MAX_SCENE_DOTS}")
    if jitter is not None and not 0.0 <= jitter <= MAX_SCENE_JITTER:
        raise UsageError(f"a jitter of {jitter:g}: use a share of the side from 0 to {MAX_SCENE_JITTER:g}")
