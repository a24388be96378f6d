"""Pictures as arrays and back."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Mask = NDArray[np.bool_]
Map = NDArray[np.float32]


def encoded(array: NDArray[np.generic]) -> tuple[bytes, str]:
    """Return an array as a file that loses nothing of it, and the file's extension.

    Args:
        array: (height, width) of uint8, uint16 or any float, or (height, width, 3) of uint8.

    Raises:
        ValueError: it is no such array.
    """
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    colour = array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8
    grey = array.ndim == 2 and array.dtype in (np.uint8, np.uint16)
    file = BytesIO()
    if colour or grey:
        Image.fromarray(np.ascontiguousarray(array)).save(file, "PNG", compress_level=1)
        return file.getvalue(), ".png"
    if array.ndim == 2 and np.issubdtype(array.dtype, np.floating):
        Image.fromarray(np.ascontiguousarray(array, dtype=np.float32)).save(file, "TIFF")
        return file.getvalue(), ".tif"
    raise ValueError(
        f"an array of shape {array.shape} and type {array.dtype}: give (height, width) of uint8, uint16 or floats, "
        "or (height, width, 3) of uint8"
    )


def mask_of(png: bytes) -> Mask:
    """Return a mask's pixels, (height, width), True inside."""
    with Image.open(BytesIO(png)) as picture:
        return np.asarray(picture.convert("L")) > 0


def probability_of(png: bytes) -> Map:
    """Return a probability map's pixels, (height, width), from 0 to 1."""
    with Image.open(BytesIO(png)) as picture:
        return np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)
