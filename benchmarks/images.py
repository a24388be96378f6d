"""The images of all benchmarks: scenes of dotblob-v1 at the middle of the noise, 512×512, as PNG of 8 bits."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from shared.images.codec import encode_grey
from shared.images.normalise import standardise
from shared.synth import apply_noise, synthesise
from shared.synth.dotblob import DotBlobScene

DIFFERENT = 32
_SEVERITY = 0.5


def pixels(number: int) -> NDArray[np.uint8]:
    """The pixels of an image, H×W; after `DIFFERENT` images they begin anew."""
    return _pixels(number % DIFFERENT)


def png(number: int) -> bytes:
    """The image as it is submitted."""
    return _png(number % DIFFERENT)


def standardised(number: int) -> NDArray[np.float32]:
    """The image as the network gets it."""
    return standardise(pixels(number).astype(np.float32))


def tiles(count: int) -> NDArray[np.float32]:
    """The first `count` images as a batch: B×H×W."""
    return np.stack([standardised(number) for number in range(count)])


def write_folder(folder: Path, count: int) -> None:
    """Make a folder of `count` images."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:06d}.png").write_bytes(png(number))


def mosaic(
    height: int, width: int, *, first: int = 0, severity: float = 0.4
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """One large image H×W of many shapes, and its truth: scenes side by side on one ground, under one noise.

    They are a dozen in turns, beginning with the one of the number `first`, which gives ground, contrast and noise.
    """
    like = synthesise(first, severity=severity)
    ground = cast(DotBlobScene, like.scene)
    images, masks = [], []
    for number in range(first, first + 12):
        scene = cast(DotBlobScene, synthesise(number, noise="none").scene)
        rendered = replace(scene, background=ground.background, contrast=ground.contrast).render()
        images.append(apply_noise(rendered.clean, like.noise, np.random.default_rng(number)))
        masks.append(rendered.mask)
    return _side_by_side(images, height, width), _side_by_side(masks, height, width)


def _side_by_side(scenes: Sequence[NDArray[Any]], height: int, width: int) -> NDArray[Any]:
    across, down = -(-width // 512), -(-height // 512)
    picture = np.block([[scenes[(5 * row + column) % 12] for column in range(across)] for row in range(down)])
    return np.ascontiguousarray(picture[:height, :width])


@cache
def _pixels(number: int) -> NDArray[np.uint8]:
    return synthesise(number, severity=_SEVERITY).image


@cache
def _png(number: int) -> bytes:
    return encode_grey(_pixels(number))
