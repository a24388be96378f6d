"""A pair as the network saw it at another scale, written some rows at a time.

At 4 times the side it has 16 times the pixels: resampled as a whole, a pair of 4096² px would take 2 GB.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.images.png_stream import PngStream
from shared.images.resample import resample_bands

_BAND_ROWS = 256


def save_image(path: Path, pixels: NDArray[Any], shape: tuple[int, int]) -> None:
    """Write H×W pixels in this height and width, as an .npy file of float32."""
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for band in resample_bands(_floats(pixels), pixels.shape, shape):
            file.write(np.ascontiguousarray(band, dtype="<f4").data)


def save_mask(path: Path, inside: NDArray[np.bool_], shape: tuple[int, int]) -> None:
    """Write a mask of H×W in this height and width, as a PNG of 1 bit: what is foreground by half or more."""
    with path.open("wb") as file:
        png = PngStream(file.write, height=shape[0], width=shape[1], bits=1)
        for band in resample_bands(_floats(inside), inside.shape, shape):
            png.add(band >= 0.5)


def _floats(image: NDArray[Any]) -> Iterator[NDArray[np.float32]]:
    for row in range(0, len(image), _BAND_ROWS):
        yield image[row : row + _BAND_ROWS].astype(np.float32)
