"""Decodes hostile files as a worker does, and counts what became of them."""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from shared.errors import ImageError
from shared.images.decoded import PIXEL_TYPES, DecodeLimits
from shared.images.isolated import Decoders
from tests.fuzz.mutations import bases, draw, mutate

LIMITS = DecodeLimits(min_side=16, max_side=4096)
PIXELS = "pixels"


@dataclass
class Findings:
    """What became of the files of a campaign."""

    outcomes: Counter[str] = field(default_factory=Counter)  # "pixels" or an item's error code
    replaced: Counter[str] = field(default_factory=Counter)  # decoders that died or were ended, by code
    blamed: dict[int, str] = field(default_factory=dict)  # files that took a decoder with them, by index
    broken: dict[int, str] = field(default_factory=dict)  # files that ended in neither, by index: none is allowed
    slowest: float = 0.0  # seconds
    parent_mib: float = 0.0  # most resident memory
    decoder_mib: float = 0.0


def case(seed: int, index: int) -> bytes:
    """The file number `index` of the campaign `seed`."""
    name, mutations = draw(random.Random(f"{seed} {index}"))
    return mutate(bases()[name], mutations)


def outcome(decoders: Decoders, data: bytes) -> str:
    """Decode; AssertionError for an image that is none."""
    try:
        image = decoders.decode(data)
    except ImageError as error:
        reason, code = str(error), error.code
        assert reason.isprintable(), reason
        return code
    assert image.pixels.dtype in PIXEL_TYPES.values()
    assert LIMITS.min_side <= min(image.pixels.shape) <= max(image.pixels.shape) <= LIMITS.max_side
    assert np.isfinite(image.pixels[~np.isnan(image.pixels)] if image.has_holes else image.pixels).all()
    assert image.note is None or image.note.isprintable()
    return PIXELS


def run(seed: int, indices: Iterable[int], *, processes: int, seconds: float) -> Iterator[Findings]:
    """Decode the files `indices`; yields the findings so far now and then, and at the end."""
    findings = Findings()
    lock = threading.Lock()
    handler = _ReplacementCounter(findings.replaced)
    logger = logging.getLogger("shared.images.isolated")
    logger.addHandler(handler)
    decoders = Decoders(LIMITS, seconds=seconds, processes=processes)

    def try_one(index: int) -> None:
        data = case(seed, index)
        started = time.monotonic()
        try:
            found = outcome(decoders, data)
        except Exception as error:
            found = "neither"
            findings.broken[index] = f"{type(error).__name__}: {error}"
        with lock:
            findings.outcomes[found] += 1
            findings.slowest = max(findings.slowest, time.monotonic() - started)
            if found.startswith("decode"):
                findings.blamed[index] = found

    try:
        with ThreadPoolExecutor(processes) as pool:
            for some in _chunked(indices, 1000):
                list(pool.map(try_one, some))
                findings.parent_mib = _most_mib(psutil.Process())
                for child in psutil.Process().children():
                    findings.decoder_mib = max(findings.decoder_mib, _most_mib(child))
                yield findings
    finally:
        decoders.close()
        logger.removeHandler(handler)


def _most_mib(process: psutil.Process) -> float:
    """Most resident memory that a process ever had. (`getrusage` gives a child that of its parent as well.)"""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _chunked(indices: Iterable[int], size: int) -> Iterator[list[int]]:
    rest = list(indices)
    for start in range(0, len(rest), size):
        yield rest[start : start + size]


class _ReplacementCounter(logging.Handler):
    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()
        self._counts = counts

    def emit(self, record: logging.LogRecord) -> None:
        self._counts[str(getattr(record, "code", "?"))] += 1
