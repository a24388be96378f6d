"""A configuration from the images and masks of a folder: what is not given is chosen, each choice with its reason.

The idea is nnU-Net's (Isensee et al. 2021): a few rules over sizes and counts do as well as a search by hand.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.data.pairs.colours import COLOURS
from training.data.pairs.survey import Survey

_STEP = 64  # px, of the samples' sides
_SMALLEST, _LARGEST = 128, 512  # px
_OBJECTS_ACROSS = 8  # a sample's side, in widths of the median object
_TINY_OBJECT_PX = 8  # under which half the resolution loses too much; where it does not, it learns faster
_BATCH_PX = 8 * 256**2  # of the samples of a step
_BATCHES = (4, 8)  # images in a step
_BOTTLENECK_PX = 8  # side of the deepest features, at least
_FEW, _MANY = 50, 500  # pairs
_VISITS, _IMAGES = 200, (6_000, 40_000)  # of each pair; samples in all
_SCORED_PX = 8_000_000  # of held-out images in a validation
_SPARSE = 0.05  # share of foreground
_MOSTLY = 0.9  # of the images
_LEAST_COLOUR = 0.02  # of what varies


@dataclass(frozen=True)
class Choice:
    """A value of the config, and why."""

    key: str
    value: Any
    reason: str

    def __str__(self) -> str:
        return f"{self.key} = {self.value}: {self.reason}"


def choose(given: Mapping[str, Any], survey: Survey, *, has_gpu: bool) -> list[Choice]:
    """Choose what a config does not give.

    Args:
        given: the config's values by dotted key.
        survey: of its folder.
        has_gpu: whether a GPU trains.
    """
    chosen: dict[str, Choice] = {}
    known = dict(given)
    for choice in _choices(known, survey, has_gpu=has_gpu):
        is_given = choice.key in known or any(key.startswith(f"{choice.key}.") for key in given)
        if not is_given:
            known[choice.key] = choice.value
            chosen[choice.key] = choice
    return list(chosen.values())


def _choices(known: Mapping[str, Any], survey: Survey, *, has_gpu: bool) -> Iterator[Choice]:
    """Yield all choices; `known` has those before, as they were made."""
    facts = survey.facts
    count = len(survey.layout.pairs)
    width = float(np.median([each.signs.object_px for each in facts if each.signs.object_px] or [0.0]))
    short_side = float(np.median([min(each.shape) for each in facts]))
    objects = f"objects {width:.0f} px wide in the median"
    yield Choice("name", _name(survey), "the folder's")

    wanted = min(max(_OBJECTS_ACROSS * width, 4 * _STEP), short_side)
    yield Choice("data.size", _rounded(wanted), f"{objects}, images {short_side:.0f} px on their shorter side")
    size = int(known["data.size"])

    yield Choice("model.architecture", "unet", "no stem or table for dots, and nothing that looks at padding")
    if known["model.architecture"] == "unet":
        yield _network(width, size, objects, has_gpu=has_gpu)
    if not known.get("model.arguments.likelihood"):
        yield _channels(survey)

    fewest, most = _BATCHES
    batch = int(min(max(_BATCH_PX // size**2, fewest), most))
    yield Choice("optimiser.batch_size", batch, f"of samples of {size} px, for many steps in little time")
    batch = int(known["optimiser.batch_size"])

    yield Choice("data.samples", max(count, 32 * batch), f"an epoch, of {count:,} pairs each one often")
    images = min(max(_VISITS * count, _IMAGES[0]), _IMAGES[1])
    if not any(key in known for key in ("budget.epochs", "budget.max_images")):
        yield Choice("budget.max_images", images, f"{count:,} pairs, each of them up to {_VISITS} times and more")
    yield Choice("budget.max_minutes", 20, "enough to see whether it learns; more gives a little more")

    yield Choice("data.validation_samples", _scored(survey), "held-out images at most, for a quick validation")
    share = float(np.mean([each.foreground for each in facts]))
    held = 0.5 if share < _SPARSE else 0.33
    yield Choice("data.foreground_share", held, f"foreground is {share:.2g} of the pixels")
    yield Choice("data.augmentation", _augmentation(count), f"{count:,} pairs")


def _network(width: float, size: int, objects: str, *, has_gpu: bool) -> Choice:
    stem = 2 if width >= _TINY_OBJECT_PX else 1
    base = (32 if stem == 2 else 16) * (2 if has_gpu else 1)
    levels = 2
    while levels < 5 and size // (stem * 2**levels) >= _BOTTLENECK_PX:
        levels += 1
    arguments = {"base": base, "levels": levels, "stem": stem, "dropout": 0.0}
    resolution = "pixels folded two by two" if stem == 2 else "pixels as they are"
    return Choice("model.arguments", arguments, f"{objects}: {resolution}; {levels} levels for samples of {size} px")


def _channels(survey: Survey) -> Choice:
    """Three where nearly all images are coloured, and colour shows what light does not."""
    colours = [each.colour for each in survey.facts]
    usual, coloured = float(np.median(colours)), float(np.mean(np.array(colours) > 0))
    key = "model.arguments.in_channels"
    if coloured < _MOSTLY:
        return Choice(key, 1, f"{'no' if not coloured else f'{coloured:.0%} of the'} images are coloured")
    if usual < _LEAST_COLOUR:
        return Choice(key, 1, f"colour adds {usual:.1%} to what varies in the images' light")
    return Choice(key, COLOURS, f"{usual:.0%} of what varies in the images is colour, which their light does not show")


def _rounded(side: float) -> int:
    """Round to a side that every network here takes."""
    return int(min(max(_STEP * round(side / _STEP), _SMALLEST), _LARGEST))


def _scored(survey: Survey) -> int:
    pixels = float(np.median([min(each.shape[0], 1024) * min(each.shape[1], 1024) for each in survey.facts]))
    return int(min(max(_SCORED_PX / pixels, 4), 200))


def _augmentation(count: int) -> dict[str, float]:
    if count > _MANY:
        return {"bend": 0.15, "gain": 0.1, "gamma": 0.15, "blur": 0.1, "noise": 0.1}
    bend = 0.5 if count < _FEW else 0.3
    return {"bend": bend, "gain": 0.2, "gamma": 0.3, "blur": 0.15, "noise": 0.15}


def _name(survey: Survey) -> str:
    words = re.findall(r"[\w.-]+", survey.layout.folder.resolve().name)
    return "-".join(words) or "own"
