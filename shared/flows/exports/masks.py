"""A stored mask as it leaves: 0 and 255 at 8 bits, which every reader takes for the same."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Numpy is not loaded by who only submits.


def mask_png(png: bytes) -> bytes:
    """Return a PNG of 8 bits of a stored mask.

    Raises:
        ImageError: it is damaged.
    """
    from shared.images.codec import widen_mask

    return widen_mask(png)


def mask_levels(png: bytes) -> "NDArray[np.uint8]":
    """Return a stored mask as H×W levels, 0 and 255.

    Raises:
        ImageError: it is damaged.
    """
    from shared.images.codec import decode_levels

    return decode_levels(png)
