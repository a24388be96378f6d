"""The upload of one submission: sources become shards, two at a time, and what changes on the way is taken anew."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from threading import Event, Thread

from shared.db.tables.base import new_id
from shared.errors import DelineateError, ItemError, ItemErrorCode, Outrun
from shared.flows.hints import Hints
from shared.flows.pages import extension_of
from shared.flows.sources import Source, SubmissionProgress, blocks
from shared.jobs.records import FileVersion, NewItem
from shared.services import Services
from shared.store import keys
from shared.store.references import is_reference

_READS = 3  # of a file that changes while it is read
# A file that was written to within this many seconds before it was read may still be being written: it is looked at
# again before the submission is complete, once it has been left alone for a while.
_FRESH_SECONDS = 10.0
_SETTLED_SECONDS = 1.0
_SETTLING_ROUNDS = 3
_HEARTBEAT_SECONDS = 10.0
_NANO = 1e-9


@dataclass
class _Block:
    """Sources on their way that become a shard; those in `replaces` are in the job already, as they were before."""

    uploads: list[Future[NewItem]] = field(default_factory=list)
    replaces: set[str] = field(default_factory=set)


class Upload:
    """The upload of one submission: a window of two blocks of sources, each becoming a shard."""

    def __init__(
        self,
        services: Services,
        job_id: str,
        resumed: bool,
        hints: Hints,
        on_progress: Callable[[SubmissionProgress], None],
    ) -> None:
        self.services = services
        self.job_id = job_id
        self.resumed = resumed
        self.on_progress = on_progress
        self.progress = SubmissionProgress()
        self.hints = hints
        self._fresh: dict[Source, FileVersion] = {}

    def run(self, sources: Iterable[Source]) -> None:
        """Upload everything and commit it, shard by shard."""
        pool = ThreadPoolExecutor(self.services.settings.upload_threads, thread_name_prefix="upload")
        uploading: deque[_Block] = deque()
        with self._heartbeat():
            try:
                self._upload_all(sources, pool, uploading)
                self._settle(pool, uploading)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                self._remove_uncommitted(chain.from_iterable(block.uploads for block in uploading))
                raise
            pool.shutdown()

    def _upload_all(self, sources: Iterable[Source], pool: ThreadPoolExecutor, uploading: deque[_Block]) -> None:
        for wanted in blocks(sources, self.services.settings.shard_size):
            new, changed = self.select(wanted)
            self._start([*new, *changed], pool, uploading, replaces=changed)
            if len(uploading) == 2:
                self._commit(uploading[0])
                uploading.popleft()
        self._commit_all(uploading)

    def _start(
        self, sources: Iterable[Source], pool: ThreadPoolExecutor, uploading: deque[_Block], replaces: Iterable[Source]
    ) -> None:
        # In the window before the first of it is on its way: an interruption at any point finds all that was stored.
        block = _Block(replaces={source.path for source in replaces})
        uploading.append(block)
        for source in sources:
            block.uploads.append(pool.submit(self.take, source))

    def _commit_all(self, uploading: deque[_Block]) -> None:
        while uploading:
            self._commit(uploading[0])
            uploading.popleft()

    def select(self, block: Sequence[Source]) -> tuple[Sequence[Source], Sequence[Source]]:
        """Return what an interrupted submission had not committed, and what has changed since it was."""
        if not self.resumed:
            return block, ()
        known = self.services.repository.known_files(self.job_id, [source.path for source in block])
        changed = [source for source in block if _has_changed(source, known.get(source.path))]
        self.advance(files=len(known) - len(changed))
        return [source for source in block if source.path not in known], changed

    def take(self, source: Source) -> NewItem:
        """Store a source; what cannot be used becomes an item that has failed. Runs in a thread."""
        item = NewItem(id=new_id(), path=source.path, described=source.described)
        if (there := source.referred) is not None:
            return replace(
                item, source_key=str(there.reference), source_bytes=there.size, source_modified=there.modified
            )
        try:
            data, version = _read(source)
            truth = source.truth() if source.truth else None
        except ItemError as error:
            return replace(item, described=source.said(), error_code=error.code, error=str(error))
        if version is not None and time.time() - version.modified * _NANO < _FRESH_SECONDS:
            self._fresh[source] = version
        key = keys.source(self.job_id, item.id, extension_of(source.path))
        truth_key = None if truth is None else keys.truth(self.job_id, item.id)
        for place, content in ((key, data), (truth_key, truth)):
            if place is not None and content is not None:
                self.services.store.put(place, content)
        modified = None if version is None else version.modified
        return replace(
            item,
            described=source.said(),
            source_key=key,
            source_bytes=len(data),
            source_modified=modified,
            truth_key=truth_key,
        )

    def _settle(self, pool: ThreadPoolExecutor, uploading: deque[_Block]) -> None:
        """Take anew what was still being written when it was read; what does not come to an end fails."""
        for _ in range(_SETTLING_ROUNDS):
            changed = self._changed_meanwhile()
            if not changed:
                return
            for some in blocks(changed, self.services.settings.shard_size):
                self._start(some, pool, uploading, replaces=some)
                self._commit_all(uploading)
        unfinished = [_still_written(source) for source in self._changed_meanwhile()]
        for items in blocks(unfinished, self.services.settings.shard_size):
            self.services.repository.add_shard(self.job_id, items, replaces={item.path for item in items})
            self.advance(files=0, failed=len(items))

    def _changed_meanwhile(self) -> list[Source]:
        """Wait until the youngest file has been left alone for a while, and return those that have changed."""
        fresh, self._fresh = self._fresh, {}
        if not fresh:
            return []
        youngest = max(version.modified for version in fresh.values()) * _NANO
        time.sleep(min(max(youngest + _SETTLED_SECONDS - time.time(), 0.0), _SETTLED_SECONDS))
        return [source for source, version in fresh.items() if _is_other(source, version)]

    def _commit(self, block: _Block) -> None:
        items = [upload.result() for upload in block.uploads]
        if items and self._add(items, block.replaces):
            self.hints.send()
        self.advance(
            files=len(items),
            failed=sum(item.error_code is not None for item in items),
            uploaded=sum(item.source_bytes or 0 for item in items),
            changed=len(block.replaces),
        )

    def _add(self, items: Sequence[NewItem], replaces: set[str]) -> bool:
        """Add a shard; leave out what another process that submits the same has added meanwhile."""
        repository = self.services.repository
        while items:
            try:
                repository.add_shard(self.job_id, items, replaces=replaces)
                return True
            except Outrun:
                known = repository.known_files(self.job_id, [item.path for item in items])
                if replaces or not known:
                    raise
                self._delete(item for item in items if item.path in known)
                items = [item for item in items if item.path not in known]
        return False

    def advance(self, *, files: int, failed: int = 0, uploaded: int = 0, changed: int = 0) -> None:
        """Count what was done, and tell of it."""
        done = self.progress
        self.progress = SubmissionProgress(
            done.files + files, done.failed + failed, done.bytes + uploaded, done.changed + changed
        )
        self.on_progress(self.progress)

    def _remove_uncommitted(self, uploads: Iterable[Future[NewItem]]) -> None:
        finished = [upload.result() for upload in uploads if not upload.cancelled() and upload.exception() is None]
        with contextlib.suppress(DelineateError):
            # The database is asked: the interruption may have come during the commit of a shard, or just after it.
            committed = self.services.repository.item_ids(self.job_id, [item.path for item in finished])
            self._delete(item for item in finished if item.id not in committed)

    def _delete(self, items: Iterable[NewItem]) -> None:
        """Delete what was stored of items that are not to be; what they refer to is not ours."""
        stored = (key for item in items for key in (item.source_key, item.truth_key) if key)
        self.services.store.delete(key for key in stored if not is_reference(key))

    @contextlib.contextmanager
    def _heartbeat(self) -> Iterator[None]:
        """Say now and then that the submission goes on, also while one block of large files is on its way."""
        ended = Event()

        def beat() -> None:
            while not ended.wait(_HEARTBEAT_SECONDS):
                with contextlib.suppress(DelineateError):
                    self.services.repository.keep_alive(self.job_id)

        thread = Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _read(source: Source) -> tuple[bytes, FileVersion | None]:
    """Read a file of which no part changes meanwhile."""
    if source.version is None:
        return source.read(), None
    for _ in range(_READS):
        before = source.version()
        data = source.read()
        if source.version() == before:
            return data, before
    raise ItemError(ItemErrorCode.CHANGED, _STILL_WRITTEN)


_STILL_WRITTEN = "the file is still being written: submit it again once it is complete"


def _still_written(source: Source) -> NewItem:
    return NewItem(
        id=new_id(),
        path=source.path,
        described=source.said(),
        error_code=ItemErrorCode.CHANGED,
        error=_STILL_WRITTEN,
    )


def _has_changed(source: Source, kept: FileVersion | None) -> bool:
    """Whether the file is another one than what was kept; one that is gone was what it was."""
    now = source.version() if source.version and kept else None
    return now is not None and kept is not None and not now.is_kept_as(kept.size, kept.modified)


def _is_other(source: Source, before: FileVersion) -> bool:
    now = source.version() if source.version else None
    return now is not None and now != before
