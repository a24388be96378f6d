"""Folders of images and masks of known pixels, as people have them."""

import numpy as np
import tifffile
from PIL import Image

from training.data.config import DataConfig
from training.data.pairs.survey import survey

SHAPE = (96, 128)


def blobs(seed, count=5):
    """Numbered discs."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, dtype=np.uint8)
    rows, columns = np.indices(SHAPE)
    for number in range(1, count + 1):
        row, column, radius = rng.uniform(12, 84), rng.uniform(12, 116), rng.uniform(6, 11)
        labels[np.hypot(rows - row, columns - column) < radius] = number
    return labels


def picture(mask, seed=0):
    noise = np.random.default_rng(seed).normal(0, 8, mask.shape)
    return np.clip(60 + 90 * mask + noise, 0, 255).astype(np.uint8)


def save(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, content)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, content)
    else:
        image = content if isinstance(content, Image.Image) else Image.fromarray(content)
        image.save(path, **({"quality": 75} if path.suffix == ".jpg" else {}))


def binary(labels, value=255):
    return (labels > 0).astype(np.uint8) * np.uint8(value)


def palette(labels, colours):
    image = Image.fromarray(labels, "P")
    image.putpalette([channel for colour in colours for channel in colour])
    return image


def coloured(labels, ground, front):
    return np.where((labels > 0)[..., None], np.uint8(front), np.uint8(ground)).astype(np.uint8)


def folder_of(path, encode, extension="png", count=4):
    for number in range(count):
        labels = blobs(number)
        save(path / "images" / f"{number}.png", picture(labels > 0, number))
        save(path / "masks" / f"{number}.{extension}", encode(labels))
    return path


def surveyed(folder, **data):
    return survey(DataConfig(kind="folder", folder=folder, **data))
