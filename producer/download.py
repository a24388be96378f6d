"""An export written to a folder: in parallel, each file whole or not at all, and repeatable.

A file's modification time is the time at which its item ended. A repeated download leaves a file alone whose time
says that it is that very result, so it asks the object store for what is missing and for nothing else. A file that is
gathered of all items keeps its parts beside it until it is whole. What is made while it is written, such as
results.csv, waits until all before it is there.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from producer.claim import claim
from producer.display import Bar, Display
from producer.gather import PartsFile
from producer.target import FileRefused, TargetFolder
from shared.bounded_map import bounded_map
from shared.flows.exports.export import (
    Export,
    ExportFile,
    GatheredFile,
    Lack,
    Part,
    StoredFile,
    WrittenFile,
    part_lacks,
)
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.manifest import Exporting
from shared.jobs.records import Job
from shared.services import Services

# Deep enough to keep the threads busy, short enough to keep memory flat.
_AHEAD_A_THREAD = 8
# So many files that are missing are named.
_NAMED = 10


@dataclass(frozen=True)
class Download:
    """What a download did, in files made of stored objects; and the names of those that were made while written."""

    fetched: int
    kept: int  # were there already
    missing: int  # the object store does not have them any more
    made: tuple[str, ...]
    refused: int = 0  # the folder does not take them, or the format cannot hold them
    refusals: tuple[Lack, ...] = ()  # the first few of these
    gathered: bool = False  # what was fetched and kept are parts of the first file made, no files of their own

    @property
    def is_complete(self) -> bool:
        """Whether every file of the export is there."""
        return not (self.missing or self.refused)


class _Done(Enum):
    FETCHED = auto()
    KEPT = auto()
    LOST = auto()
    REFUSED = auto()


def download(services: Services, job: Job, export: Export, folder: Path, display: Display) -> Download:
    """Write a job's results, as far as it has come, into `folder`.

    Raises:
        UsageError: the folder cannot be written to, is not free for this job, or something in it leads out of it.
        Retryable: a service went away; the same call gets the rest.
    """
    target = TargetFolder(folder)
    claim(target, services.repository, job, export)
    exporting = Exporting(export, JobResults(services.repository, services.store, job))
    return write_export(services, exporting, target, display)


def write_export(services: Services, exporting: Exporting, target: TargetFolder, display: Display) -> Download:
    """Write an export, as far as its job has come, into a folder that is free for it.

    Raises:
        UsageError: the folder cannot be written to, or something in it leads out of it.
        Retryable: a service went away; the same call gets the rest.
    """
    with display.progress("downloading", exporting.count) as bar:
        return _Writer(services, exporting, target, bar).run()


class _Writer:
    def __init__(self, services: Services, exporting: Exporting, target: TargetFolder, bar: Bar) -> None:
        self._store = services.store
        self._threads = services.settings.upload_threads
        self._exporting = exporting
        self._target = target
        self._bar = bar
        self._counts: Counter[_Done] = Counter()
        self._made: list[str] = []
        self._refusals: list[Lack] = []
        self._gathered = False

    def run(self) -> Download:
        with (
            ThreadPoolExecutor(self._threads, thread_name_prefix="download") as pool,
            closing(bounded_map(self._fetch, self._exporting.files(), pool, ahead=self._ahead)) as done,
        ):
            for file, outcome in done:
                self._settle(file, outcome, pool)
        counts = self._counts
        return Download(
            counts[_Done.FETCHED], counts[_Done.KEPT], counts[_Done.LOST], tuple(self._made), counts[_Done.REFUSED],
            tuple(self._refusals), self._gathered,
        )  # fmt: skip

    @property
    def _ahead(self) -> int:
        return self._threads * _AHEAD_A_THREAD

    def _fetch(self, file: ExportFile) -> tuple[ExportFile, _Done | Lack | None]:
        """Write a stored file, in a thread; the others are made in their turn."""
        if not isinstance(file, StoredFile):
            return file, None
        if self._target.has(file.name, file.modified):
            return file, _Done.KEPT
        data = file.read(self._store)
        if isinstance(data, Lack):
            return file, data
        try:
            with self._target.writing(file.name, file.modified) as path:
                path.write_bytes(data)
        except FileRefused as error:
            return file, file.lack(error.reason)
        return file, _Done.FETCHED

    def _settle(self, file: ExportFile, outcome: _Done | Lack | None, pool: Executor) -> None:
        try:
            if isinstance(file, WrittenFile):
                with self._target.writing(file.name) as path, path.open("wb") as written:
                    written.writelines(file.blocks())
                self._made.append(file.name)
                for lack in file.lacking:
                    self._count(lack)
            elif isinstance(file, GatheredFile):
                self._gather(file, pool)
                self._gathered = True
                self._made.append(file.name)
            elif outcome is not None:
                self._count(outcome)
        except FileRefused as error:
            self._count(Lack("", file.name, error.reason))
        self._bar(self._counts.total() + len(self._made))

    def _count(self, outcome: _Done | Lack) -> None:
        if isinstance(outcome, _Done):
            self._counts[outcome] += 1
            return
        self._exporting.lacks(outcome)
        self._counts[_Done.LOST if outcome.lost else _Done.REFUSED] += 1
        if not outcome.lost and len(self._refusals) < _NAMED:
            self._refusals.append(outcome)

    def _gather(self, file: GatheredFile, pool: Executor) -> None:
        with self._target.keeping(file.name) as kept, PartsFile(kept, of=self._exporting.identity) as parts:

            def fetch(part: StoredFile) -> tuple[StoredFile, bytes | Lack | _Done]:
                return part, _Done.KEPT if parts.has(part) else part.read(self._store)

            with closing(bounded_map(fetch, file.parts(), pool, ahead=self._ahead)) as fetched:
                for part, data in fetched:
                    if isinstance(data, bytes):
                        parts.add(part, data)
                        data = _Done.FETCHED
                    self._count(part_lacks(data) if isinstance(data, Lack) else data)
                    self._bar(self._counts.total() + len(self._made))
            with self._target.writing(file.name) as path, path.open("wb") as written:
                written.writelines(file.frame(_present(file, parts)))


def _present(file: GatheredFile, parts: PartsFile) -> Iterator[Part]:
    """Yield the parts that there are; what came about meanwhile waits for the next time."""
    return ((part, parts.get(part)) for part in file.parts() if parts.has(part))
