"""Submitting files and folders: look first, make the job second, so that what cannot work leaves nothing behind."""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from producer.collect import Destination
from producer.display import Display, plural
from producer.sources import Sources
from shared.flows.submission import SubmissionProgress, submit_images
from shared.identity import user_at_host
from shared.jobs.records import Priority, Unfamiliar
from shared.services import Services


@dataclass(frozen=True)
class Submission:
    """A job that was made, and how it went."""

    job_id: str
    progress: SubmissionProgress
    seconds: float

    def __str__(self) -> str:
        done = self.progress
        unusable = f", {plural(done.failed, 'file')} cannot be used" if done.failed else ""
        return (
            f"submitted {plural(done.files, 'image')} ({done.bytes / 1e6:,.1f} MB) in {self.seconds:.1f} s, "
            f"{done.files / max(self.seconds, 1e-9):,.0f} a second{unusable}"
        )


def submit_paths(
    services: Services,
    arguments: Sequence[Path],
    *,
    recursive: bool,
    follow_links: bool = False,
    name: str | None,
    priority: Priority,
    scale: float = 1.0,
    unfamiliar: Unfamiliar = Unfamiliar.FLAG,
    to: Destination | None = None,
    display: Display,
) -> Submission:
    """Submit files and folders as one job; an interrupted submission of the same arguments goes on as it was begun.

    Nothing is submitted where `to`, the folder of its results, is not free for them.

    Raises:
        UsageError: an argument does not exist, there is no image in them, or the folder `to` holds other results.
        ConfigurationError: the services cannot be used as the settings say. No job is made.
        Retryable: a service went away on the way; the same call goes on where this one was.
    """
    max_bytes = services.settings.max_source_bytes
    sources = Sources(arguments, recursive=recursive, follow_links=follow_links, max_bytes=max_bytes)
    services.check()
    survey = sources.survey()
    for note in survey.notes():
        display.line(f"note: {note}")
    job_name = name or sources.name

    def started(job_id: str, resumed: bool) -> None:
        if to:
            to.check_free(services.repository, services.repository.job(job_id) if resumed else None)
        going = "going on with" if resumed else "submitting"
        display.line(f"{going} job {job_id}: {plural(survey.images, 'image')} from {sources.base}")

    last = SubmissionProgress()
    begun = time.monotonic()
    with display.progress("uploading", survey.images) as bar:

        def advanced(progress: SubmissionProgress) -> None:
            nonlocal last
            last = progress
            bar(progress.files, f"{progress.bytes / 1e6:,.0f} MB")

        job_id = submit_images(
            services,
            sources,
            name=job_name,
            submitted_by=user_at_host(),
            submission_key=_submission_key(job_name, sources, scale, unfamiliar),
            priority=priority,
            scale=scale,
            unfamiliar=unfamiliar,
            on_start=started,
            on_progress=advanced,
        )
    return Submission(job_id, last, time.monotonic() - begun)


def _submission_key(name: str, sources: Sources, scale: float, unfamiliar: Unfamiliar) -> str:
    """Return the key under which an interrupted submission is found again: the same command on the same machine."""
    paths = [os.fsencode(path).hex() for path in sources.arguments]
    identity = [user_at_host(), name, paths, sources.recursive, sources.follow_links, scale, unfamiliar]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()
