"""Signs that a pair is not what it seems: turned, shifted, inverted, outlines alone. For people to look at, no more.

All is judged on thumbnails, by how far image and mask vary together.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Thumbnail = NDArray[np.float32]

_SIDE = 96  # px of a thumbnail, at most
_CLEAR, _BETTER = 0.4, 0.25  # a correlation that says something, and by how much it has to be above that of the pair
_LEAST_SHIFT = 0.04  # of the side
_MOST_OBJECTS = 300  # that are measured
_MEASURED_SIDE = 1024  # px; larger masks are thinned
_OUTLINE_PX, _OUTLINE_FILLED = 6.0, 2.5


@dataclass(frozen=True)
class Signs:
    """What a pair shows."""

    contrast: float  # correlation of image and mask, in [-1, 1]
    object_px: float  # width of the median object, in px; 0 where there is none
    border: float  # share of the image's border that is foreground
    suspicion: str = ""


def signs_of(image: NDArray[Any], mask: NDArray[np.bool_]) -> Signs:
    """Look at a pair, both (H, W)."""
    step = max(1, -(-max(mask.shape) // _MEASURED_SIDE))
    thinned = mask[::step, ::step]
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean()
    if mask.all() or not mask.any():
        return Signs(0.0, 0.0, float(border))
    small_image, small_mask = thumbnail(image), thumbnail(mask)
    contrast = correlation(small_image, small_mask)
    width = step * object_width(thinned)
    suspicion = _at_the_border(mask) or _outlines(thinned, width) or _misplaced(small_image, small_mask, contrast)
    return Signs(contrast, width, float(border), suspicion)


def thumbnail(picture: NDArray[Any]) -> Thumbnail:
    """Shrink a picture by whole steps to at most 96 px a side, with the mean of each block."""
    step = max(1, -(-max(picture.shape) // _SIDE))
    rows, columns = (side // step * step for side in picture.shape)
    blocks = picture[:rows, :columns].astype(np.float32).reshape(rows // step, step, columns // step, step)
    small: Thumbnail = blocks.mean((1, 3))
    return small


def correlation(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Pearson's, in [-1, 1]; 0 where one of them is constant."""
    a, b = (each.ravel() - each.mean() for each in (first, second))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm else 0.0


def object_width(mask: NDArray[np.bool_]) -> float:
    """Return the width of the median object: twice how deep its middle lies, in px."""
    labels, count = ndimage.label(mask)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    depths = ndimage.maximum(depth, labels, np.arange(1, min(count, _MOST_OBJECTS) + 1))
    return 2 * float(np.median(depths)) if count else 0.0


def _at_the_border(mask: NDArray[np.bool_]) -> str:
    rim = max(2, round(0.02 * min(mask.shape)))
    return "" if mask[rim:-rim, rim:-rim].any() else "foreground at the image's border alone"


def _outlines(mask: NDArray[np.bool_], width: float) -> str:
    if width > _OUTLINE_PX:
        return ""
    filled = ndimage.binary_fill_holes(mask).sum()
    return "outlines, not filled" if filled > _OUTLINE_FILLED * mask.sum() else ""


def _misplaced(image: Thumbnail, mask: Thumbnail, contrast: float) -> str:
    needed = max(_CLEAR, abs(contrast) + _BETTER)
    for name, turned in _turns(mask):
        if turned.shape == image.shape and abs(correlation(image, turned)) > needed:
            return f"image and mask fit better {name}"
    return _shifted(image, mask, needed)


def _turns(mask: Thumbnail) -> list[tuple[str, Thumbnail]]:
    return [
        ("turned by 180°", mask[::-1, ::-1]),
        ("mirrored left to right", mask[:, ::-1]),
        ("mirrored top to bottom", mask[::-1]),
        ("turned by 90°", np.rot90(mask)),
        ("turned by 90° to the right", np.rot90(mask, -1)),
        ("with rows for columns", mask.T),
        ("with rows for columns, turned", mask[::-1, ::-1].T),
    ]


def _shifted(image: Thumbnail, mask: Thumbnail, needed: float) -> str:
    """Look for a shift at which both fit; what leaves at one side comes in at the other."""
    a, b = (each - each.mean() for each in (image, mask))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    if not norm:
        return ""
    surface = np.fft.irfft2(np.fft.rfft2(a) * np.fft.rfft2(b).conj(), a.shape) / norm
    at = np.unravel_index(np.abs(surface).argmax(), a.shape)
    shifts = [int(place) if place <= side // 2 else int(place) - side for place, side in zip(at, a.shape, strict=True)]
    far = [abs(shift) / side for shift, side in zip(shifts, a.shape, strict=True)]
    if abs(float(surface[at])) <= needed or max(far) < _LEAST_SHIFT or max(far) > 1 / 4:
        return ""
    return f"image and mask fit better shifted by {max(far):.0%} of the side"
