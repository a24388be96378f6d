"""What is submitted during a run: jobs of many small images, and single ones. A pure function of the seed.

How far down the list a run gets is a matter of the machine's speed, not of the seed.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np

from shared.errors import ItemError, ItemErrorCode
from shared.flows.submission import Source
from shared.images.codec import encode_grey
from tests.faults.armed import POISON

_SIDES = (40, 100)  # px, the shorter and the longer limit
_PICTURES = 64


class Content(StrEnum):
    """What an image is; the name of an item begins with it."""

    GOOD = "good"
    WORDS = "words"  # no image
    CUT = "cut"  # ends early
    EMPTY = "empty"
    UNREADABLE = "unreadable"  # fails while it is submitted
    POISON = POISON  # ends the worker's process


EXPECTED_ERROR = {
    Content.WORDS: ItemErrorCode.NOT_AN_IMAGE,
    Content.CUT: ItemErrorCode.TRUNCATED,
    Content.EMPTY: ItemErrorCode.EMPTY_FILE,
    Content.UNREADABLE: ItemErrorCode.UNREADABLE,
    Content.POISON: ItemErrorCode.WORKER_CRASHED,
}
_BAD = (Content.WORDS, Content.CUT, Content.EMPTY, Content.UNREADABLE)


@dataclass(frozen=True)
class PlannedItem:
    """One image of a job: its name, what it is, and which picture it shows."""

    path: str
    content: Content
    picture: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture in pixels."""
        return _size(self.picture)

    def source(self) -> Source:
        """The image as it is submitted."""
        return Source(self.path, self._read)

    def _read(self) -> bytes:
        match self.content:
            case Content.WORDS:
                return b"no image at all"
            case Content.CUT:
                return _png(self.picture)[:-40]
            case Content.EMPTY:
                return b""
            case Content.UNREADABLE:
                raise ItemError(ItemErrorCode.UNREADABLE, "the fault suite cannot read this file")
            case _:
                return _png(self.picture)


@dataclass(frozen=True)
class PlannedJob:
    """A job; it is cancelled `cancel_after` seconds after its submission, and with `retry` retried once it ended."""

    name: str
    items: tuple[PlannedItem, ...]
    cancel_after: float | None = None
    retry: bool = False


def plan_jobs(seed: int, *, short: bool) -> Iterator[PlannedJob]:
    """The batch jobs, without end. Some are cancelled, some retried; the second and every twelfth has a poison item."""
    smallest, largest = (150, 400) if short else (500, 2500)
    number = 0
    while True:
        draw = random.Random(f"{seed} {number} job")
        cancelled, poison = number % 4 == 3, number % 12 == 1
        yield PlannedJob(
            name=f"batch-{number:04}",
            items=tuple(_items(draw, draw.randint(smallest, largest), poison=poison)),
            cancel_after=draw.uniform(0.0, 6.0) if cancelled else None,
            # One that was cancelled gets all of its images in the end, one with bad ones tries those again in vain.
            # Another try of a poison image is five more crashes, which takes a while.
            retry=draw.random() < 0.5 and not poison,
        )
        number += 1


def plan_single_images(seed: int) -> Iterator[PlannedJob]:
    """The interactive jobs, of one good image each, without end."""
    draw = random.Random(f"{seed} single")
    number = 0
    while True:
        item = PlannedItem("good-single.png", Content.GOOD, draw.randrange(_PICTURES))
        yield PlannedJob(name=f"single-{number:04}", items=(item,))
        number += 1


def _items(draw: random.Random, count: int, *, poison: bool) -> Iterator[PlannedItem]:
    poisoned = draw.randrange(count) if poison else None
    for number in range(count):
        content = draw.choice(_BAD) if draw.random() < 0.02 else Content.GOOD
        content = Content.POISON if number == poisoned else content
        yield PlannedItem(f"{content}-{number:05}.png", content, draw.randrange(_PICTURES))


@cache
def _size(picture: int) -> tuple[int, int]:
    draw = random.Random(picture)
    return draw.randint(*_SIDES), draw.randint(*_SIDES)


@cache
def _png(picture: int) -> bytes:
    return encode_grey(np.random.default_rng(picture).integers(0, 256, _size(picture), dtype=np.uint8))
