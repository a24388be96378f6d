"""A watched folder or prefix of a bucket: what appears there, and has stood still, becomes images of a rolling job.

It is listed anew each round, since shares on a network tell of nothing by themselves. What was taken stands in SQL, by
the paths, sizes and times of the images in all jobs of this folder; so a file is taken once however often the command
is started again, and anew only if it was written to since. A job that is full or old enough is sealed, and the next
file begins another.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

from producer.unfinished import Request, Submitted
from shared.commandline import plural
from shared.errors import Retryable, UsageError
from shared.flows.additions import add_images
from shared.flows.sources import Source
from shared.flows.submission import begun, seal
from shared.identity import user_at_host
from shared.jobs.records import FileVersion
from shared.jobs.state import JobKind
from shared.services import Services

_FILES_AT_ONCE = 500


class Watched(Submitted, Iterable[Source], Protocol):
    """What is watched: iterating lists it anew."""


class _Seen(NamedTuple):
    version: FileVersion
    since: float  # on the monotonic clock


@dataclass(frozen=True)
class Rolling:
    """When files are taken, and when their job is sealed.

    Args:
        still_seconds: so long size and time of a file have to stay what they are.
        most_images: of a job.
        most_seconds: from a job's beginning until it is sealed.
    """

    still_seconds: float = 5.0
    most_images: int = 10_000
    most_seconds: float = 86_400.0


@dataclass
class Done:
    """What was done since it was last told."""

    taken: int = 0
    failed: int = 0
    sealed: int = 0
    trouble: str | None = None  # why a round broke off, the last time

    def __bool__(self) -> bool:
        return bool(self.taken or self.sealed or self.trouble)


class WatchedFolder:
    """One folder, or one prefix of a bucket; `round` is called again and again.

    Args:
        services: where to.
        list_sources: lists the folder.
        request: what is asked for of the images.
        rolling: see there.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        services: Services,
        list_sources: Callable[[], Watched],
        request: Request,
        rolling: Rolling,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services = services
        self._list = list_sources
        self._request = request
        self._rolling = rolling
        self._clock = clock
        sources = list_sources()
        self._name = request.name or sources.name
        self.key = request.key(sources, purpose="watch-folder")
        self._seen: dict[str, _Seen] = {}
        self.waiting = 0  # files that have not stood still yet
        self.done = Done()

    def round(self) -> None:
        """Take what has stood still, and seal the job if it is time; what is away is waited for."""
        try:
            self._take_all()
            self._seal_if_due()
        except (Retryable, UsageError) as error:
            # A share that is gone, a store that is away, a job that somebody has cancelled: the next round looks again.
            self.done.trouble = str(error)

    def job_id(self) -> str | None:
        """Return the job that takes images now; None before the first."""
        return self._services.repository.unsealed_job(self.key)

    def seal(self) -> str | None:
        """Seal the job that takes images now, and return its id; None where there is none."""
        job_id = self.job_id()
        if job_id is not None:
            seal(self._services, job_id)
            self.done.sealed += 1
        return job_id

    def _take_all(self) -> None:
        seen, self._seen = self._seen, {}
        try:
            for some in _parts(self._list()):
                self._take(self._ready(some, seen))
        except BaseException:
            self._seen = seen | self._seen
            raise
        self.waiting = len(self._seen)

    def _ready(self, some: list[Source], seen: dict[str, _Seen]) -> list[tuple[Source, FileVersion]]:
        """Return those that were not taken yet and have stood still; remember the others."""
        versions = {source.path: version for source in some if source.version and (version := source.version())}
        taken = self._services.repository.taken_files(self.key, versions)
        now, ready = self._clock(), []
        for source in some:
            version = versions.get(source.path)
            if version is None or source.path in taken:
                continue
            before = seen.get(source.path)
            if before is None or before.version != version:
                before = _Seen(version, now)
            elif now - before.since >= self._rolling.still_seconds:
                ready.append((source, version))
                continue
            self._seen[source.path] = before
        return ready

    def _take(self, ready: list[tuple[Source, FileVersion]]) -> None:
        while ready:
            job_id, _ = begun(self._services.repository, self.key, self._make)
            room = self._rolling.most_images - self._services.repository.job(job_id).counts.total
            some, ready = ready[: max(room, 0)], ready[max(room, 0) :]
            if some:
                done = add_images(
                    self._services,
                    job_id,
                    [source for source, _ in some],
                    replaces=lambda _path: True,
                    modified={source.path: version.modified for source, version in some},
                    are_new=True,
                )
                self.done.taken += done.added + done.replaced
                self.done.failed += done.failed
            if len(some) >= room:
                self.seal()

    def _make(self) -> str:
        asked = self._request
        return self._services.repository.create_job(
            JobKind.IMAGES,
            name=self._name,
            submitted_by=user_at_host(),
            submission_key=self.key,
            priority=asked.priority,
            scale=asked.scale,
            unfamiliar=asked.unfamiliar,
            channel=asked.channel,
            pixel_size=asked.pixel_size,
            postprocessing=str(asked.postprocessing),
        )

    def _seal_if_due(self) -> None:
        job_id = self.job_id()
        if job_id is None:
            return
        job = self._services.repository.job(job_id)
        if time.time() - job.created_at >= self._rolling.most_seconds:
            self.seal()
        else:
            self._services.repository.keep_alive(job_id)


def told(done: Done, waiting: int) -> str:
    """Return one line of what was done."""
    parts = [f"{plural(done.taken, 'image')} taken"]
    if done.failed:
        parts.append(f"{done.failed:,} of them cannot be used")
    if waiting:
        parts.append(f"{waiting:,} not still yet")
    if done.sealed:
        parts.append(f"{plural(done.sealed, 'job')} sealed")
    if done.trouble:
        parts.append(f"waiting: {done.trouble}")
    return ", ".join(parts)


def _parts(sources: Iterable[Source]) -> Iterator[list[Source]]:
    iterator = iter(sources)
    while some := list(islice(iterator, _FILES_AT_ONCE)):
        yield some
