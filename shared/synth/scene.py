"""What every definition's scenes have: parameters that are drawn once, and the clean image and truth they make."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.errors import UsageError

if TYPE_CHECKING:
    from shared.synth.noise import NoiseParameters

Point = tuple[float, float]

MIN_SIZE = 64  # px; under it the margin and the dots' radii leave a shape no room
MAX_SIZE = 4096  # px
MAX_SCENE_DOTS = 5000
MAX_SCENE_JITTER = 0.5  # of the side


@dataclass(frozen=True, eq=False)
class Scene:
    """A rendered scene: `clean` float32 (size, size) in [0, 1], `mask` bool (size, size), True inside."""

    clean: NDArray[np.float32]
    mask: NDArray[np.bool_]


class SceneParameters(Protocol):
    """All that a clean image and its truth are made of; each definition has its own."""

    @property
    def size(self) -> int:
        """Side of the square image in pixels."""
        ...

    @property
    def dot_centres(self) -> tuple[Point, ...]:
        """The dots' centres, (x, y) in pixels; some may lie outside the image."""
        ...

    def render(self) -> Scene:
        """Return the clean image and its truth, the same each time."""
        ...

    def own_noise(self, severity: float) -> "NoiseParameters | None":
        """Return the noise that belongs to this scene, weakened to `severity`; None: whatever the definition draws."""
        ...

    def finish(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what becomes of the noisy image, (size, size), in files, on pages and in cameras."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as plain JSON types (tuples become lists in JSON)."""
        ...


def check_scene_request(size: int, num_dots: int | None, jitter: float | None) -> None:
    """Refuse what makes no scene.

    Raises:
        UsageError: a value is out of its range.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise UsageError(f"a scene of {size} px: use a size from {MIN_SIZE} to {MAX_SIZE}")
    if num_dots is not None and not 1 <= num_dots <= MAX_SCENE_DOTS:
        raise UsageError(f"a scene of {num_dots} dots: use a number from 1 to {MAX_SCENE_DOTS}")
    if jitter is not None and not 0.0 <= jitter <= MAX_SCENE_JITTER:
        raise UsageError(f"a jitter of {jitter:g}: use a share of the side from 0 to {MAX_SCENE_JITTER:g}")
