"""Finding the job that a repeated `submit` goes on with, so that nothing is uploaded or computed twice."""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from producer.chosen import TruthChoice
from producer.sources import Sources
from shared.errors import UsageError
from shared.flows.lookup import find_job
from shared.flows.sources import Source
from shared.identity import user_at_host
from shared.images.channel_choice import AUTO
from shared.jobs.records import FileVersion, Job, Priority, Unfamiliar
from shared.jobs.state import JobKind
from shared.objects.options import NO_PROCESSING, PostProcessing
from shared.pixel_size import PixelSize
from shared.services import Services

# Of a job that may be this submission, seen from another machine or under another name of its folder.
_COMPARED_ITEMS = 50
_COMPARED_JOBS = 20
_PATHS_AT_ONCE = 500
_LONGEST_START_SECONDS = 60.0


def _process_started() -> float:
    """Return when this process came up, on the monotonic clock: long before its first command, on a busy machine."""
    try:
        ticks = int(Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (AttributeError, OSError, ValueError, LookupError):  # only Linux tells
        age = 0.0
    return time.monotonic() - min(max(age, 0.0), _LONGEST_START_SECONDS)


_beginnings = [_process_started()]


def _command_began() -> float:
    """Return when a command began: the first of a process with the process itself."""
    return _beginnings.pop() if _beginnings else time.monotonic()


class Submitted(Protocol):
    """What tells one submission from another."""

    @property
    def arguments(self) -> Sequence[str]:
        """Absolute paths, or an address."""

    @property
    def name(self) -> str:
        """What they are called together."""

    @property
    def identity(self) -> list[str]:
        """What else was asked for."""

    @property
    def recursive(self) -> bool:
        """Whether folders in folders are gone into."""

    @property
    def follow_links(self) -> bool:
        """Whether links out of a folder are followed."""


@dataclass(frozen=True)
class Request:
    """What is asked for of the images of a submission, and when."""

    name: str | None = None  # None: called as its folder
    priority: Priority = Priority.NORMAL
    scale: float = 1.0
    unfamiliar: Unfamiliar = Unfamiliar.FLAG
    channel: str = AUTO
    pixel_size: PixelSize | None = None
    postprocessing: PostProcessing = NO_PROCESSING
    model: str | None = None  # SHA-256; None: that which new jobs get
    threshold: float | None = None  # None: the model's own
    waits: bool = False  # for the end of the job
    resume: str | None = None  # a job to go on with, as people refer to it
    truth: TruthChoice | None = None
    begun: float = field(default_factory=_command_began)

    def key(self, sources: Submitted, *, purpose: str | None = None) -> str:
        """Return the key under which the submission is found again: the same command on the same machine.

        `purpose` tells a command that is not `submit` from it.
        """
        paths = [os.fsencode(path).hex() for path in sources.arguments]
        asked = [
            self.name or sources.name,
            self.scale,
            self.unfamiliar,
            self.priority,
            self.channel,
            *sources.identity,
            *([str(self.pixel_size), str(self.postprocessing)] if self.pixel_size or self.postprocessing else []),
            *(self.truth.identity if self.truth else []),
            *([self.model, self.threshold] if self.model or self.threshold else []),
        ]
        identity = [user_at_host(), paths, sources.recursive, sources.follow_links, *asked, *filter(None, [purpose])]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()

    def asks_as(self, job: Job) -> bool:
        """Whether the job does with its images what is asked for here."""
        mine = self.scale, self.unfamiliar, self.channel, self.pixel_size, str(self.postprocessing), self.threshold
        return mine == (job.scale, job.unfamiliar, job.channel, job.pixel_size, job.postprocessing, job.threshold)


@dataclass(frozen=True)
class Unfinished:
    """A job to go on with. Where its upload is complete, what is left of the command is to wait."""

    job: Job
    is_uploaded: bool


def unfinished(services: Services, sources: Sources, images: int, request: Request) -> Unfinished | None:
    """Return the job of this submission of so many images that did not come to its end; None where there is none.

    It is found by its key; or, where the same files are seen from another machine or the folder was renamed, by the
    first of its images, whose paths, sizes and times have to be those of the files.

    Raises:
        UsageError: the job that was asked for takes no more images.
    """
    repository, key = services.repository, request.key(sources)
    if request.resume is not None:
        return Unfinished(asked_for(services, request.resume), is_uploaded=False)
    if job_id := repository.unsealed_job(key):
        return Unfinished(repository.job(job_id), is_uploaded=False)
    since = time.monotonic() - request.begun
    if job_id := repository.awaited_job(key, within=since, model=request.model):
        job = repository.job(job_id)
        if job.counts.total == images and _has_all(services, job, sources):
            return Unfinished(job, is_uploaded=True)
    for job_id in repository.unsealed_jobs(limit=_COMPARED_JOBS):
        job = repository.job(job_id)
        if not request.asks_as(job) or job.model != repository.model_for(request.model):
            continue
        if _begins_as(services, job, sources):
            return Unfinished(job, is_uploaded=False)
    return None


def stopped_namesakes(services: Services, name: str) -> list[Job]:
    """Return jobs of this name whose upload was interrupted, the newest first."""
    repository = services.repository
    jobs = map(repository.job, repository.unsealed_jobs(limit=_COMPARED_JOBS))
    return [job for job in jobs if job.name == name and job.upload_stopped]


def asked_for(services: Services, reference: str) -> Job:
    """Return the unsealed job to go on with.

    Raises:
        JobNotFound: there is none.
        UsageError: it takes no more images.
    """
    job = find_job(services, reference)
    if job.kind is not JobKind.IMAGES or job.sealed_at is not None:
        raise UsageError(f"job {job.id} takes no more images: its upload is complete, or was ended")
    return job


def _begins_as(services: Services, job: Job, sources: Sources) -> bool:
    """Whether the first images of the job are files of these sources, unchanged."""
    paths = [path for _, path in services.repository.paths(job.id, limit=_COMPARED_ITEMS)]
    known = services.repository.known_files(job.id, paths)
    versions = {path: version for path, version in known.items() if version is not None}
    return bool(versions) and all(sources.version_of(path) == version for path, version in versions.items())


def _has_all(services: Services, job: Job, sources: Sources) -> bool:
    """Whether all files are in the job as they are now."""
    remaining = iter(sources)
    while some := list(islice(remaining, _PATHS_AT_ONCE)):
        known = services.repository.known_files(job.id, [source.path for source in some])
        if not all(source.path in known and _is_same(source, known[source.path]) for source in some):
            return False
    return True


def _is_same(source: Source, known: FileVersion | None) -> bool:
    if known is None or source.version is None:
        return True
    version = source.version()
    return version is not None and version.is_kept_as(known.size, known.modified)
