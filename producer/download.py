"""An export written to a folder: in parallel, each file whole or not at all, and repeatable.

A file's modification time is the time at which its item ended. A repeated download leaves a file alone whose time
says that it is that very result, so it asks the object store for what is missing and for nothing else. What is made
while it is written, such as results.csv, waits until all before it is there.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from producer.claim import claim
from producer.display import Display
from producer.target import FileRefused, TargetFolder
from shared.bounded_map import bounded_map
from shared.flows.exports.export import Export, ExportFile, StoredFile, WrittenFile
from shared.flows.exports.job_results import JobResults
from shared.jobs.records import Job
from shared.services import Services
from shared.store import ObjectStore

# Deep enough to keep the threads busy, short enough to keep memory flat.
_AHEAD_A_THREAD = 8


# So many refused files are named.
_NAMED = 10


@dataclass(frozen=True)
class Refusal:
    """A file that the folder does not take."""

    name: str
    reason: str


@dataclass(frozen=True)
class Download:
    """What a download did, in files made of stored objects; and the names of those that were made while written."""

    fetched: int
    kept: int  # were there already
    missing: int  # the object store does not have them any more
    made: tuple[str, ...]
    refused: int = 0  # the folder does not take them
    refusals: tuple[Refusal, ...] = ()  # the first few of these

    @property
    def is_complete(self) -> bool:
        """Whether every file of the export is there."""
        return not (self.missing or self.refused)


class _Done(Enum):
    FETCHED = auto()
    KEPT = auto()
    MISSING = auto()


def download(services: Services, job: Job, export: Export, folder: Path, display: Display) -> Download:
    """Write a job's results, as far as it has come, into `folder`.

    Raises:
        UsageError: the folder cannot be written to, is not free for this job, or something in it leads out of it.
        Retryable: a service went away; the same call gets the rest.
    """
    target = TargetFolder(folder)
    claim(target, services.repository, job, export)
    files = export.files(JobResults(services.repository, services.store, job))

    def fetch(file: ExportFile) -> _Done | Refusal | WrittenFile:
        return file if isinstance(file, WrittenFile) else _fetch(services.store, target, file)

    counts: Counter[_Done] = Counter()
    made: list[str] = []
    refused = 0
    refusals: list[Refusal] = []
    threads = services.settings.upload_threads
    with (
        display.progress("downloading", export.count(job)) as bar,
        ThreadPoolExecutor(threads, thread_name_prefix="download") as pool,
        closing(bounded_map(fetch, files, pool, ahead=threads * _AHEAD_A_THREAD)) as done,
    ):
        for one in done:
            outcome = _make(target, one) if isinstance(one, WrittenFile) else one
            if isinstance(outcome, Refusal):
                refused += 1
                refusals = [*refusals, outcome][:_NAMED]
            elif isinstance(outcome, str):
                made.append(outcome)
            else:
                counts[outcome] += 1
            bar(counts.total() + len(made) + refused)
    return Download(
        counts[_Done.FETCHED], counts[_Done.KEPT], counts[_Done.MISSING], tuple(made), refused, tuple(refusals)
    )


def _fetch(store: ObjectStore, target: TargetFolder, file: StoredFile) -> _Done | Refusal:
    if target.has(file.name, file.modified):
        return _Done.KEPT
    data = file.read(store)
    if data is None:
        return _Done.MISSING
    try:
        with target.writing(file.name, file.modified) as path:
            path.write_bytes(data)
    except FileRefused as error:
        return Refusal(file.name, error.reason)
    return _Done.FETCHED


def _make(target: TargetFolder, file: WrittenFile) -> str | Refusal:
    try:
        with target.writing(file.name) as path, path.open("wb") as written:
            written.writelines(file.blocks())
    except FileRefused as error:
        return Refusal(file.name, error.reason)
    return file.name
