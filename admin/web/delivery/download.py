"""The results of a job as one zip, made while it is sent: no file on disk, a few images in memory."""

import logging
import tempfile
import zipfile
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import chain, islice
from typing import IO, NamedTuple

from flask import Response
from werkzeug.utils import secure_filename

from shared.errors import ObjectMissing
from shared.flows.results import (
    RESULTS_CSV,
    ResultFile,
    all_items,
    job_output_names,
    result_files,
    write_results_csv,
)
from shared.jobs.records import Job
from shared.services import Services
from shared.store import ObjectStore

log = logging.getLogger(__name__)

MISSING_TXT = "missing.txt"

_FETCHES_AT_ONCE = 4
_FETCHES_AHEAD = 8
_COPY_BYTES = 2**18


class _Fetched(NamedTuple):
    name: str
    data: bytes | None  # None: the store has lost it


def results_zip(services: Services, job: Job) -> Response:
    """Answer with `masks/`, `probabilities/`, for synthetic jobs `sources/` and `truths/`, and `results.csv`.

    Names follow `shared.flows.results`. An object that the store has lost is named in `missing.txt`. Where the store
    goes away on the way, the connection is cut, so that nobody takes half a zip for a whole one.
    """
    # Begun now, so that what can go wrong becomes a page and not half an answer.
    stream = _stream(services, job, job_output_names(services.repository, job.id))
    answer = Response(chain([next(stream)], stream), mimetype="application/zip")
    answer.call_on_close(stream.close)
    name = secure_filename(job.name)[:60] or "results"
    answer.headers.set("Content-Disposition", "attachment", filename=f"{name}-{job.id[:8]}.zip")
    return answer


def _stream(services: Services, job: Job, names: Mapping[str, str]) -> Generator[bytes, None, None]:
    sink = _Sink()
    modified = datetime.fromtimestamp(job.finished_at or job.created_at, UTC).timetuple()[:6]
    missing = []
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in _fetched(services.store, _files(services, job, names)):
            if data is None:
                missing.append(name)
                continue
            # Stored as they are: PNGs are compressed already.
            archive.writestr(zipfile.ZipInfo(name, modified), data)
            yield from sink.taken()
        if missing:
            log.warning("%d objects of job %s are gone", len(missing), job.id, extra={"action": "objects_missing"})
            archive.writestr(zipfile.ZipInfo(MISSING_TXT, modified), "\n".join(missing) + "\n")
        with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as table:
            write_results_csv(table, all_items(services.repository, job.id))
            table.seek(0)
            yield from _add_text(archive, sink, zipfile.ZipInfo(RESULTS_CSV, modified), table)
    yield from sink.taken()


def _add_text(archive: zipfile.ZipFile, sink: "_Sink", info: zipfile.ZipInfo, text: IO[str]) -> Iterator[bytes]:
    info.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(info, "w") as entry:
        while block := text.read(_COPY_BYTES):
            entry.write(block.encode())
            yield from sink.taken()


def _files(services: Services, job: Job, names: Mapping[str, str]) -> Iterator[ResultFile]:
    for item in all_items(services.repository, job.id):
        # An item that came after the names were read belongs to a job that still runs: it waits for the next download.
        if item.path in names:
            yield from result_files(item, names[item.path], job.kind)


def _fetched(store: ObjectStore, files: Iterable[ResultFile]) -> Iterator[_Fetched]:
    """Yield the objects in order, a few of them fetched ahead."""
    remaining = iter(files)
    pool = ThreadPoolExecutor(_FETCHES_AT_ONCE, thread_name_prefix="zip")
    try:
        ahead: deque[Future[_Fetched]] = deque()
        while True:
            ahead.extend(pool.submit(_fetch, store, file) for file in islice(remaining, _FETCHES_AHEAD - len(ahead)))
            if not ahead:
                return
            yield ahead.popleft().result()
    finally:
        # Also where the reader went away in the middle.
        pool.shutdown(cancel_futures=True)


def _fetch(store: ObjectStore, file: ResultFile) -> _Fetched:
    try:
        return _Fetched(file.name, store.get(file.key))
    except ObjectMissing:
        return _Fetched(file.name, None)


class _Sink:
    """A file that can only be written, which makes zipfile write without going back, and emptied."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is held open."""

    def taken(self) -> Iterator[bytes]:
        chunks, self._chunks = self._chunks, []
        yield from chunks
