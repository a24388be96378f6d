"""The example images of the repository: a dozen scenes, no two in the same format, size and noise."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.synth import synthesise
from tests.corpus.encodings import ENCODINGS


@dataclass(frozen=True)
class Example:
    """One file: how it is written, its size in px, and the noise that its scene is under."""

    encoding: str
    width: int
    height: int
    noise: str
    severity: float


EXAMPLES = {
    "clean.png": Example("png-grey", 512, 512, "none", 0.0),
    "gaussian.png": Example("png-grey", 420, 300, "gaussian", 0.3),
    "gaussian-heavy.jpg": Example("jpeg-grey", 512, 384, "gaussian", 0.9),
    "low-light-16bit.tif": Example("tiff-deflate-predictor", 450, 350, "poisson", 0.8),
    "low-light.webp": Example("webp-lossy", 520, 390, "poisson", 0.5),
    "speckle.jpg": Example("jpeg-rgb", 700, 500, "speckle", 0.5),
    "salt-and-pepper.bmp": Example("bmp-grey", 300, 260, "salt_pepper", 0.4),
    "mixed.png": Example("png-palette", 333, 257, "mixed", 0.4),
    "mixed-heavy.tif": Example("tiff-lzw", 320, 320, "mixed", 1.0),
    "float.tif": Example("tiff-float32", 260, 200, "gaussian", 0.2),
    "two pages.tif": Example("tiff-two-pages", 200, 180, "speckle", 0.2),
    "large.jpg": Example("jpeg-progressive", 1100, 820, "gaussian", 0.1),
}


def write_examples(folder: Path) -> list[Path]:
    """Write EXAMPLES into `folder`; the same bytes each time, for one version of the libraries."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for seed, (name, example) in enumerate(EXAMPLES.items(), start=100):
        path = folder / name
        path.write_bytes(ENCODINGS[example.encoding].encode(_render(seed, example)))
        written.append(path)
    return written


def _render(seed: int, example: Example) -> NDArray[np.uint8]:
    """A square scene, cut to the size asked for around its blob."""
    side = max(example.width, example.height)
    sample = synthesise(seed, size=side, noise=example.noise, severity=example.severity)
    rows, columns = np.nonzero(sample.mask)
    top = _start(rows, example.height, side)
    left = _start(columns, example.width, side)
    return sample.image[top : top + example.height, left : left + example.width]


def _start(occupied: NDArray[np.intp], length: int, side: int) -> int:
    middle = (int(occupied.min()) + int(occupied.max())) // 2
    return min(max(middle - length // 2, 0), side - length)
