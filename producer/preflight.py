"""A look at every image before it is submitted: read and decoded as a worker would, and nothing sent anywhere."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from shared.bounded_map import bounded_map
from shared.errors import ItemError, ItemErrorCode
from shared.flows.sources import Source
from shared.images.decoded import DecodeLimits
from shared.images.formats import identify
from shared.images.isolated import Decoders
from shared.images.large import decode_to_file
from shared.images.notes import NoteCode, note_codes
from shared.images.scratch import write

EXAMPLES = 3
"""Of each kind of problem, and of copies: how many are named."""

# Of an image that is held while it is decoded; larger ones are decoded into a file.
_HELD_PIXELS = 2048**2


class Kind(NamedTuple):
    """What an image is stored as."""

    format: str
    channels: str
    bits: int | None  # a sample; None where that is not told, of large images


@dataclass(frozen=True)
class Look:
    """What one image turned out to be."""

    path: str
    size: int = 0  # bytes
    digest: bytes = b""  # of its bytes
    kind: Kind | None = None  # None where it cannot be used
    shape: tuple[int, int] = (0, 0)  # width and height, px
    notes: tuple[NoteCode, ...] = ()
    code: ItemErrorCode | None = None
    reason: str = ""


@dataclass
class Problem:
    """The images that fail with one code."""

    count: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)  # path, reason

    def add(self, look: Look) -> None:
        """Count an image, and keep one example of each reason as long as there is room."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append((look.path, look.reason))


@dataclass
class Findings:
    """What all images together are."""

    usable: int = 0
    size: int = 0  # bytes that would be uploaded
    pixels: int = 0  # of usable images
    kinds: Counter[Kind] = field(default_factory=Counter)
    shapes: Counter[tuple[int, int]] = field(default_factory=Counter)
    notes: Counter[NoteCode] = field(default_factory=Counter)
    problems: dict[ItemErrorCode, Problem] = field(default_factory=lambda: defaultdict(Problem))
    copies: int = 0  # images with the bytes of an earlier one
    copied: list[tuple[str, str]] = field(default_factory=list)  # the copy, the earlier one
    _first: dict[bytes, str] = field(default_factory=dict, repr=False)

    @property
    def images(self) -> int:
        """How many were looked at."""
        return self.usable + self.failing

    @property
    def failing(self) -> int:
        """How many would fail."""
        return sum(problem.count for problem in self.problems.values())

    def add(self, look: Look) -> None:
        """Count one image."""
        self.size += look.size
        if look.digest and look.size:
            first = self._first.setdefault(look.digest, look.path)
            if first != look.path:
                self.copies += 1
                if len(self.copied) < EXAMPLES:
                    self.copied.append((look.path, first))
        if look.code is not None or look.kind is None:
            self.problems[look.code or ItemErrorCode.INTERNAL].add(look)
            return
        self.usable += 1
        self.pixels += look.shape[0] * look.shape[1]
        self.kinds[look.kind] += 1
        self.shapes[look.shape] += 1
        self.notes.update(look.notes)


class Preflight:
    """Looks at images in decoders of its own.

    Args:
        limits: that the workers have.
        seconds: wall-clock time for one image.
        channel: what of its channels is taken, see `shared.images.channel_choice`.
    """

    def __init__(self, limits: DecodeLimits, *, seconds: float, channel: str) -> None:
        self._limits = limits
        self._seconds = seconds
        self._channel = channel
        self._processes = os.cpu_count() or 1
        held = replace(limits, max_pixels=min(limits.max_pixels, _HELD_PIXELS))
        self._decoders = Decoders(held, seconds=seconds, processes=self._processes)

    def run(self, sources: Iterable[Source], on_progress: Callable[[int], None] = lambda done: None) -> Findings:
        """Look at all of them; a few are in memory at once."""
        findings = Findings()
        try:
            with ThreadPoolExecutor(self._processes, thread_name_prefix="check") as threads:
                for look in bounded_map(self._look, sources, threads, ahead=2 * self._processes):
                    findings.add(look)
                    on_progress(findings.images)
        finally:
            self._decoders.close()
        return findings

    def _look(self, source: Source) -> Look:
        look = Look(source.path)
        try:
            data = source.read()
            look = replace(look, size=len(data), digest=hashlib.sha256(data).digest())
            kind, shape, note = self._decoded(data)
        except ItemError as error:
            return replace(look, code=error.code, reason=str(error))
        return replace(look, kind=kind, shape=shape, notes=note_codes(note))

    def _decoded(self, data: bytes) -> tuple[Kind, tuple[int, int], str | None]:
        try:
            image = self._decoders.decode(data, self._channel)
        except ItemError as error:
            if error.code is not ItemErrorCode.TOO_LARGE or self._limits.max_pixels <= _HELD_PIXELS:
                raise
            return self._decoded_to_file(data)
        return Kind(image.format, image.mode, image.bit_depth), (image.width, image.height), image.note

    def _decoded_to_file(self, data: bytes) -> tuple[Kind, tuple[int, int], str | None]:
        def source(descriptor: int) -> int:
            write(descriptor, data)
            return len(data)

        pixels, note = decode_to_file(source, limits=self._limits, seconds=self._seconds, channel=self._channel)
        with pixels:
            for _ in pixels.bands():  # a pixel that is not finite fails here, as it does in a worker
                pass
            return Kind(identify(data) or "", "large", None), (pixels.width, pixels.height), note
