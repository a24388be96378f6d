"""Sets of image/mask pairs that a network of one's own is trained on: real nuclei, and three that are drawn.

Each is a folder as examples/nuclei.py leaves it: pairs/images and pairs/masks to train on, batch and truth to be tried.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from shared.config import CHECKOUT

Drawn = tuple[NDArray[np.generic], NDArray[np.bool_]]  # an image, (H, W) or (H, W, 3), and its mask (H, W)
_SEED = 17


@dataclass(frozen=True)
class PairSet:
    """A set by name; `overrides` are what its masks ask of training."""

    name: str
    overrides: tuple[str, ...] = ()
    draw: Callable[[np.random.Generator, int], Drawn] | None = None  # of a number in the set; None: the real nuclei
    training: int = 0
    tried: int = 0

    def write(self, folder: Path, wheel: Path | None) -> None:
        """Write the set; `wheel` is that of the real nuclei where it is there already."""
        if self.draw is None:
            given = ["--wheel", str(wheel)] if wheel else []
            script = CHECKOUT / "examples" / "nuclei.py"
            subprocess.run([sys.executable, str(script), str(folder), *given], check=True, stdout=subprocess.DEVNULL)
            return
        for number, (images, masks) in enumerate(self._places()):
            image, mask = self.draw(np.random.default_rng((_SEED, number)), number)
            for place, pixels in ((images, image), (masks, np.where(mask, np.uint8(255), np.uint8(0)))):
                path = folder / place / f"{number:03}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                kind = "rgb" if pixels.ndim == 3 else "minisblack"
                tifffile.imwrite(path, pixels, compression="zlib", photometric=kind)

    def _places(self) -> Iterator[tuple[str, str]]:
        for number in range(self.training + self.tried):
            yield ("pairs/images", "pairs/masks") if number < self.training else ("batch", "truth")


def fluorescence(rng: np.random.Generator, number: int) -> Drawn:
    """Nuclei of 300×420 px in 16 bits: vignette, haze, debris, blur, photon noise; one image in sixteen is empty."""
    height, width = 300, 420
    light, mask = np.zeros((height, width)), np.zeros((height, width), dtype=bool)
    texture = 1 + 0.25 * _clouds(rng, (height, width), 4)
    for _ in range(0 if number % 16 == 7 else int(rng.integers(12, 40))):
        nucleus = _blob(rng, (height, width), rng.uniform(7, 15))
        light[nucleus] = rng.uniform(0.25, 1.0) * texture[nucleus]
        mask |= nucleus
    for _ in range(int(rng.integers(5, 20))):  # debris: bright, and far smaller than a nucleus
        light[_blob(rng, (height, width), rng.uniform(1, 2.2))] += rng.uniform(0.3, 1.2)
    haze = 0.3 * gaussian_filter(light, 25) + 0.08 * np.exp(0.8 * _clouds(rng, (height, width), 60))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    falling = 1 - 0.45 * (y**2 + x**2) / 2
    photons = rng.uniform(40, 200) * falling * (gaussian_filter(light, rng.uniform(0.8, 1.8)) + 0.15 + haze)
    return np.clip(rng.poisson(photons) * 60 + 400, 0, 65535).astype(np.uint16), mask


def histology(rng: np.random.Generator, number: int) -> Drawn:
    """Stained tissue of 256×256 px in colour: purple nuclei count, pink cells that are as dark do not."""
    del number
    shape = (256, 256)
    ground, purple, pink = (
        np.array(colour, dtype=float) for colour in ((232, 200, 218), (110, 70, 150), (170, 40, 85))
    )
    image = np.broadcast_to(ground, (*shape, 3)) * (1 + 0.04 * _clouds(rng, shape, 20)[..., None])
    mask, texture = np.zeros(shape, dtype=bool), 1 + 0.12 * _clouds(rng, shape, 3)[..., None]
    for is_nucleus in rng.permutation([True] * int(rng.integers(10, 22)) + [False] * int(rng.integers(10, 22))):
        cell = _blob(rng, shape, rng.uniform(7, 13))
        stain = (purple if is_nucleus else pink) * rng.uniform(0.85, 1.2)
        image = np.where(cell[..., None], stain * texture, image)
        mask = (mask | cell) if is_nucleus else (mask & ~cell)
    blurred = gaussian_filter(image, (0.9, 0.9, 0)) + rng.normal(0, 5, (*shape, 3))
    return np.clip(np.rint(blurred), 0, 255).astype(np.uint8), mask


def particles(rng: np.random.Generator, number: int) -> Drawn:
    """Five to fifteen discs 3 to 5 px in radius on 512×512 px, amid noise: 0.2 % of the pixels."""
    del number
    mask, light = np.zeros((512, 512), dtype=bool), np.zeros((512, 512))
    y, x = np.mgrid[:512, :512]
    for _ in range(int(rng.integers(5, 16))):
        row, column = rng.uniform(8, 504, 2)
        disc = np.hypot(y - row, x - column) < rng.uniform(3, 5)
        mask |= disc
        light[disc] = rng.uniform(0.35, 0.9)
    light = gaussian_filter(light, 0.8) + 0.12 * _clouds(rng, mask.shape, 50) + rng.normal(0, 0.09, mask.shape)
    return np.clip(np.rint(70 + 150 * light), 0, 255).astype(np.uint8), mask


def _blob(rng: np.random.Generator, shape: tuple[int, int], radius: float) -> NDArray[np.bool_]:
    """Return a roundish area anywhere in the image, (H, W)."""
    row, column = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
    y, x = np.ogrid[: shape[0], : shape[1]]
    angle = np.arctan2(y - row, x - column)
    turned, stretch = rng.uniform(0, np.pi), rng.uniform(0.0, 0.25)
    waves = stretch * np.cos(2 * (angle - turned)) + 0.06 * np.cos(3 * angle + rng.uniform(0, 6))
    inside: NDArray[np.bool_] = np.hypot(y - row, x - column) < radius * (1 + waves)
    return inside


def _clouds(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> NDArray[np.float64]:
    """Return smooth noise (H, W) of mean 0 and deviation 1 whose patches are `scale` px wide."""
    coarse = rng.normal(size=[int(side / scale) + 3 for side in shape])
    smooth: NDArray[np.float64] = zoom(coarse, scale, order=1)[: shape[0], : shape[1]]
    scaled: NDArray[np.float64] = (smooth - smooth.mean()) / smooth.std()
    return scaled


SETS = (
    PairSet("real nuclei", ("data.foreground=nonzero",)),
    PairSet("fluorescence", draw=fluorescence, training=48, tried=30),
    PairSet("histology in colour", draw=histology, training=48, tried=30),
    PairSet("sparse particles", draw=particles, training=40, tried=20),
)
