"""Downloading results: in parallel, each file whole or not at all, and repeatable.

A file's modification time is the time at which its item ended. A repeated download leaves a file alone whose time
says that it is that very result, so it asks the object store for what is missing and for nothing else. results.csv
comes last: where it is, the download is complete.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from producer.display import Display
from producer.target import TargetFolder
from shared.errors import ObjectMissing
from shared.flows.results import (
    RESULTS_CSV,
    ResultFile,
    all_items,
    job_output_names,
    result_files,
    write_results_csv,
)
from shared.images.codec import decode_mask, encode_grey
from shared.jobs.records import Job
from shared.jobs.state import ItemStatus, JobKind
from shared.services import Services
from shared.store import ObjectStore, keys

T = TypeVar("T")
R = TypeVar("R")

# Deep enough to keep the threads busy, short enough to keep memory flat.
_WINDOW_A_THREAD = 8
_BILEVEL_KINDS = (keys.KeyKind.MASK, keys.KeyKind.TRUTH)


@dataclass(frozen=True)
class Download:
    """What a download did, in files."""

    written: int
    kept: int  # were there already
    missing: int  # the object store does not have them any more


class _Wanted(NamedTuple):
    file: ResultFile
    finished_at: float


class _Fetched(Enum):
    WRITTEN = auto()
    KEPT = auto()
    MISSING = auto()


def download(services: Services, job: Job, folder: Path, display: Display) -> Download:
    """Write a job's results, as far as it has come, into `folder`.

    Raises:
        UsageError: the folder cannot be written to, or something in it leads out of it.
        Retryable: a service went away; the same call gets the rest.
    """
    target = TargetFolder(folder)
    names = job_output_names(services.repository, job.id)
    wanted = (
        _Wanted(file, item.finished_at or 0.0)
        for item in all_items(services.repository, job.id, states=[ItemStatus.SUCCEEDED])
        for file in result_files(item, names[item.path], job.kind)
    )

    def fetch(one: _Wanted) -> _Fetched:
        return _fetch(services.store, target, one)

    counts: Counter[_Fetched] = Counter()
    files_an_item = 4 if job.kind is JobKind.SYNTHETIC else 2
    with display.progress("downloading", job.counts.succeeded * files_an_item) as bar:
        for fetched in _in_parallel(fetch, wanted, services.settings.upload_threads):
            counts[fetched] += 1
            bar(counts.total())
    with target.writing(RESULTS_CSV) as path, path.open("w", encoding="utf-8", newline="") as file:
        write_results_csv(file, all_items(services.repository, job.id))
    return Download(counts[_Fetched.WRITTEN], counts[_Fetched.KEPT], counts[_Fetched.MISSING])


def _fetch(store: ObjectStore, target: TargetFolder, wanted: _Wanted) -> _Fetched:
    name = wanted.file.name
    if target.has(name, wanted.finished_at):
        return _Fetched.KEPT
    try:
        data = store.get(wanted.file.key)
    except ObjectMissing:
        return _Fetched.MISSING
    if keys.parse(wanted.file.key).kind in _BILEVEL_KINDS:
        data = _as_0_and_255(data)
    with target.writing(name, wanted.finished_at) as path:
        path.write_bytes(data)
    return _Fetched.WRITTEN


def _as_0_and_255(png: bytes) -> bytes:
    """Turn the stored PNG of 1 bit into one of 8: numpy and most other readers give booleans for 1 bit."""
    return encode_grey(decode_mask(png).astype(np.uint8) * np.uint8(255))


def _in_parallel(function: Callable[[T], R], values: Iterable[T], threads: int) -> Iterator[R]:
    """Yield the results in the order of the values, a bounded number of them in flight."""
    iterator = iter(values)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="download")
    try:
        flying: deque[Future[R]] = deque(
            pool.submit(function, value) for value in islice(iterator, threads * _WINDOW_A_THREAD)
        )
        while flying:
            yield flying.popleft().result()
            flying.extend(pool.submit(function, value) for value in islice(iterator, 1))
    finally:
        pool.shutdown(cancel_futures=True)
