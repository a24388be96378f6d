"""Submitting: sources → object store → rows → hints, for the producer and the admin alike.

Sources are uploaded in parallel, and each shard's rows are committed and hinted at as soon as its sources are there,
so that the first masks are made while later files are still on their way. At most two shards of files are in
memory's reach at once, whatever the size of the folder. Nothing is hinted at before its rows are committed.
"""

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import NamedTuple, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from shared.db.tables import new_id
from shared.errors import DelineateError, ItemError, Retryable, UsageError
from shared.images.scale import checked_scale
from shared.jobs.records import NewItem, Priority, Unfamiliar
from shared.jobs.state import JobKind
from shared.services import Services
from shared.store import keys

log = logging.getLogger(__name__)

T = TypeVar("T")

# The first shards are small, so that the first results come soon.
_FIRST_SHARD_ITEMS = 4
_PAUSE_AFTER_OUTAGE_SECONDS = 10.0
# With pauses that double, a quarter of a minute in all.
_SEAL_ATTEMPTS, _FIRST_SEAL_PAUSE_SECONDS = 6, 0.5


class FileVersion(NamedTuple):
    """What tells a file from what it was before or will be."""

    size: int  # bytes
    modified: int  # nanoseconds since 1970


@dataclass(frozen=True)
class Source:
    """An image to submit: its relative path with `/`, and how to read its bytes.

    `read` runs in an upload thread. An ItemError says that the file cannot be used; only that item fails. `version`
    looks at what would be read now, None where that is nothing; without it the bytes are always the same.
    """

    path: str
    read: Callable[[], bytes]
    version: Callable[[], FileVersion | None] | None = None


@dataclass(frozen=True)
class SubmissionProgress:
    """How far a submission is: files handled, those among them that failed already, bytes uploaded."""

    files: int = 0
    failed: int = 0
    bytes: int = 0


def submit_images(
    services: Services,
    sources: Iterable[Source],
    *,
    name: str,
    submitted_by: str,
    submission_key: str | None = None,
    priority: Priority = Priority.NORMAL,
    scale: float = 1.0,
    unfamiliar: Unfamiliar = Unfamiliar.FLAG,
    on_start: Callable[[str, bool], None] = lambda job_id, resumed: None,
    on_progress: Callable[[SubmissionProgress], None] = lambda progress: None,
) -> str:
    """Make a job of these sources, or go on with an interrupted one of the same `submission_key`; return its id.

    The images are resampled by `scale` for the network; their results have their own size. `unfamiliar` says what
    becomes of images unlike anything that the model knows. `on_start` gets the job's id and whether it is an
    interrupted one that goes on; where it raises, nothing is uploaded and no new job stays.

    Raises:
        UsageError: there are no sources, the scale is out of range, or another submission with this key is going on.
        Retryable: a service went away. The job stays unsealed, and the same call goes on where this one was.
    """
    checked_scale(scale)
    iterator = iter(sources)
    first = next(iterator, None)
    if first is None:
        raise UsageError("there is no image to submit")
    repository = services.repository
    job_id = repository.unsealed_job(submission_key) if submission_key else None
    resumed = job_id is not None
    if job_id is None:
        job_id = repository.create_job(
            JobKind.IMAGES,
            name=name,
            submitted_by=submitted_by,
            submission_key=submission_key,
            priority=priority,
            scale=scale,
            unfamiliar=unfamiliar,
        )
    try:
        on_start(job_id, resumed)
        _Upload(services, job_id, resumed, Hints(services, priority), on_progress).run(chain([first], iterator))
    except BaseException:
        # Also for Ctrl-C: what is not in a shard yet leaves no trace.
        with contextlib.suppress(DelineateError):
            repository.discard_empty(job_id)
        raise
    seal(services, job_id)
    return job_id


def seal(services: Services, job_id: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Seal a job, trying again for a while where the database is away.

    Sealing is what ends a submission. If the answer alone were lost, whoever submits again as told would find nothing
    to go on with and get all of it a second time; sealing again changes nothing.
    """

    def say(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("not sealed yet: %s", error, extra={"job": job_id, "action": "seal_postponed"})

    Retrying(
        retry=retry_if_exception_type(Retryable),
        wait=wait_exponential(multiplier=_FIRST_SEAL_PAUSE_SECONDS),
        stop=stop_after_attempt(_SEAL_ATTEMPTS),
        before_sleep=say,
        sleep=sleep,
        reraise=True,
    )(services.repository.seal, job_id)


class _Upload:
    """The upload of one submission: a window of two blocks of sources, each becoming a shard."""

    def __init__(
        self,
        services: Services,
        job_id: str,
        resumed: bool,
        hints: "Hints",
        on_progress: Callable[[SubmissionProgress], None],
    ) -> None:
        self.services = services
        self.job_id = job_id
        self.resumed = resumed
        self.on_progress = on_progress
        self.progress = SubmissionProgress()
        self.hints = hints

    def run(self, sources: Iterable[Source]) -> None:
        """Upload everything and commit it, shard by shard."""
        uploading: deque[list[Future[NewItem]]] = deque()
        pool = ThreadPoolExecutor(self.services.settings.upload_threads, thread_name_prefix="upload")
        try:
            for block in blocks(sources, self.services.settings.shard_size):
                uploading.append([pool.submit(self._upload, source) for source in self._new(block)])
                if len(uploading) == 2:
                    self._commit(uploading[0])
                    uploading.popleft()
            while uploading:
                self._commit(uploading[0])
                uploading.popleft()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            self._remove_uncommitted(chain.from_iterable(uploading))
            raise
        pool.shutdown()

    def _new(self, block: Sequence[Source]) -> Sequence[Source]:
        """Leave out what an interrupted submission had committed already."""
        if not self.resumed:
            return block
        known = self.services.repository.known_paths(self.job_id, [source.path for source in block])
        self._advance(files=len(known))
        return [source for source in block if source.path not in known]

    def _upload(self, source: Source) -> NewItem:
        item_id = new_id()
        try:
            data = source.read()
        except ItemError as error:
            return NewItem(id=item_id, path=source.path, error_code=error.code, error=str(error))
        key = keys.source(self.job_id, item_id, PurePosixPath(source.path).suffix)
        self.services.store.put(key, data)
        return NewItem(id=item_id, path=source.path, source_key=key, source_bytes=len(data))

    def _commit(self, uploads: Sequence[Future[NewItem]]) -> None:
        items = [upload.result() for upload in uploads]
        if items:
            self.services.repository.add_shard(self.job_id, items)
            self.hints.send()
        self._advance(
            files=len(items),
            failed=sum(item.error_code is not None for item in items),
            uploaded=sum(item.source_bytes or 0 for item in items),
        )

    def _advance(self, *, files: int, failed: int = 0, uploaded: int = 0) -> None:
        done = self.progress
        self.progress = SubmissionProgress(done.files + files, done.failed + failed, done.bytes + uploaded)
        self.on_progress(self.progress)

    def _remove_uncommitted(self, uploads: Iterable[Future[NewItem]]) -> None:
        finished = [upload.result() for upload in uploads if not upload.cancelled() and upload.exception() is None]
        with contextlib.suppress(DelineateError):
            # The database is asked: the interruption may have come during the commit of a shard, or just after it.
            committed = self.services.repository.known_paths(self.job_id, [item.path for item in finished])
            self.services.store.delete(
                item.source_key for item in finished if item.source_key and item.path not in committed
            )


def blocks(values: Iterable[T], largest: int) -> Iterator[list[T]]:
    """Yield what makes a shard each, the first ones small."""
    iterator = iter(values)
    size = min(_FIRST_SHARD_ITEMS, largest)
    while block := list(islice(iterator, size)):
        yield block
        size = min(size * 2, largest)


class Hints:
    """Hints while a submission goes on; where the queue is away they are left to the reconciler."""

    def __init__(self, services: Services, priority: Priority) -> None:
        self.services = services
        self.urgent = priority is Priority.HIGH
        self.not_before = 0.0

    def send(self) -> None:
        """Fill the window, unless that failed a moment ago: an outage must not slow down every shard."""
        if time.monotonic() < self.not_before:
            return
        try:
            if self.urgent:
                self.services.queue.announce_urgent()
            self.services.dispatcher.fill()
        except Retryable as error:
            log.warning("no hint sent: %s", error, extra={"action": "hint_postponed"})
            self.not_before = time.monotonic() + _PAUSE_AFTER_OUTAGE_SECONDS
