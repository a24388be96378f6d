"""Does the network see the same in a picture that shows the same? Changes of a clean image that must not matter."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
Change = Callable[[Pixels], Pixels]


def _intensity(gain: float, offset: float) -> Change:
    """Change intensities on the 8-bit scale, rounded but not clipped: a camera with room above and below."""
    return lambda image: np.rint(image * np.float32(gain) + np.float32(255 * offset))


def _turn(quarters: int) -> Change:
    return lambda image: np.rot90(image, quarters)


INTENSITIES: dict[str, Change] = {
    "gain ×0.5": _intensity(0.5, 0),
    "gain ×2": _intensity(2, 0),
    "offset +0.2": _intensity(1, 0.2),
    "offset −0.2": _intensity(1, -0.2),
    "inverted contrast": _intensity(-1, 1),
}
"""Changes of the image alone; the truth stays."""

GEOMETRIES: dict[str, Change] = {
    "flipped left to right": lambda image: image[:, ::-1],
    "flipped top to bottom": lambda image: image[::-1],
    "a quarter turn": _turn(1),
    "half a turn": _turn(2),
    "three quarter turns": _turn(3),
}
"""Changes of image and truth."""
