"""Submitting files and folders: look first, make the job second, so that what cannot work leaves nothing behind."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from producer.chosen import Choice, TruthChoice, sources_of
from producer.collect import Destination
from producer.display import Display
from producer.sources import Sources
from producer.unfinished import Request, Unfinished, stopped_namesakes, unfinished
from shared.commandline import plural
from shared.errors import UsageError
from shared.flows.submission import Source, SubmissionProgress, submit_images
from shared.identity import user_at_host
from shared.services import Services


@dataclass(frozen=True)
class Submission:
    """A job that was made, or gone on with, and how that went."""

    job_id: str
    progress: SubmissionProgress
    seconds: float
    was_uploaded: bool = False  # before this command
    in_place: bool = False  # whether the images stay in their bucket

    def __str__(self) -> str:
        if self.was_uploaded:
            return "nothing to upload: all of its images are there"
        done = self.progress
        unusable = f", {plural(done.failed, 'file')} cannot be used" if done.failed else ""
        changed = f", {plural(done.changed, 'file')} had changed and went anew" if done.changed else ""
        size = "which stay where they are" if self.in_place else f"{done.bytes / 1e6:,.1f} MB"
        return (
            f"submitted {plural(done.files, 'image')} ({size}) in {self.seconds:.1f} s, "
            f"{done.files / max(self.seconds, 1e-9):,.0f} a second{unusable}{changed}"
        )


def submit_paths(
    services: Services,
    arguments: Sequence[Path],
    request: Request,
    *,
    choice: Choice,
    to: Destination | None = None,
    display: Display,
) -> Submission:
    """Submit files and folders as one job; an interrupted submission of the same arguments goes on as it was begun.

    Nothing is submitted where `to`, the folder of its results, is not free for them.

    Raises:
        UsageError: an argument does not exist, there is no image in them, the folder `to` holds other results, or the
            masks of `request.truth` cannot be told apart.
        ConfigurationError: the services cannot be used as the settings say. No job is made.
        Retryable: a service went away on the way; the same call goes on where this one was.
    """
    sources = sources_of(arguments, choice, max_bytes=services.settings.max_source_bytes)
    services.check()
    survey = sources.survey()
    for note in survey.notes():
        display.line(f"note: {note}")
    scored = sources if request.truth is None else _with_truths(sources, request.truth, services, display)
    found = unfinished(services, sources, survey.images, request)
    images = f"{plural(survey.images, 'image')} from {sources.base}"
    if found and found.is_uploaded:
        if to:
            to.check_free(services.repository, found.job)
        display.line(f"going on with job {found.job.id}: {images}")
        return Submission(found.job.id, SubmissionProgress(), 0.0, was_uploaded=True)
    _tell_of_others(services, request.name or sources.name, found, display)

    def started(job_id: str, resumed: bool) -> None:
        if to:
            to.check_free(services.repository, services.repository.job(job_id) if resumed else None)
        if request.waits:
            services.repository.await_end(job_id, waits=True)
        display.line(f"{'going on with' if resumed else 'submitting'} job {job_id}: {images}")

    begun = time.monotonic()
    with display.progress("uploading", survey.images) as bar:
        last = SubmissionProgress()

        def advanced(progress: SubmissionProgress) -> None:
            nonlocal last
            last = progress
            bar(progress.files, f"{progress.bytes / 1e6:,.0f} MB")

        if found:
            services.repository.adopt(found.job.id, request.key(sources))
        job_id = submit_images(
            services,
            scored,
            name=request.name or sources.name,
            submitted_by=user_at_host(),
            submission_key=request.key(sources),
            resume=found.job.id if found else None,
            priority=request.priority,
            scale=request.scale,
            unfamiliar=request.unfamiliar,
            pixel_size=request.pixel_size,
            postprocessing=request.postprocessing,
            channel=request.channel,
            model=request.model,
            threshold=request.threshold,
            on_start=started,
            on_progress=advanced,
        )
    return Submission(job_id, last, time.monotonic() - begun)


def _with_truths(sources: Sources, choice: TruthChoice, services: Services, display: Display) -> Iterable[Source]:
    """Return sources with their true masks, and tell what will be scored."""
    from producer.remote.services import RemoteServices
    from producer.truths import Truths  # with numpy, which a submission without them does not need

    if isinstance(services, RemoteServices):
        raise UsageError("--truth is not sent over --api: submit by the database and the store of the settings")
    truths = Truths.find(choice, sources)
    for note in truths.notes():
        display.line(f"note: {note}")
    return truths.given_to(sources)


def _tell_of_others(services: Services, name: str, found: Unfinished | None, display: Display) -> None:
    """Name an interrupted submission that may be meant, where none was found to be this one."""
    for job in () if found else stopped_namesakes(services, name)[:1]:
        display.line(
            f"note: job {job.id} of this name was never finished ({plural(job.counts.total, 'image')}, "
            f"{job.upload_words}): --resume {job.id} goes on with it, `producer cancel {job.id}` ends it"
        )
