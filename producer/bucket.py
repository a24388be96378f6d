"""What lies in a bucket, `s3://bucket/prefix`: submitted, checked and watched a page of the listing at a time.

Nothing of it is copied.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from producer.chosen import Choice
from producer.collect import Destination
from producer.display import Display
from producer.sources import address_of, is_in_bucket
from producer.submit import Submission
from producer.survey import Survey
from producer.unfinished import Request, asked_for
from shared.commandline import plural
from shared.errors import DelineateError, UsageError
from shared.flows.prefixes import Listing, Wanted, add_listed, listed, wanted_of
from shared.flows.submission import Source, SubmissionProgress, begun, seal
from shared.identity import user_at_host
from shared.jobs.state import JobKind
from shared.services import Services


@dataclass(frozen=True)
class BucketSources:
    """The images of a prefix; iterating again lists it again.

    Args:
        services: that may read it.
        wanted: what is taken.
    """

    services: Services
    wanted: Wanted

    @property
    def arguments(self) -> Sequence[str]:
        """The address."""
        return [self.wanted.address]

    @property
    def base(self) -> str:
        """Likewise, as people are told it."""
        return self.wanted.address

    @property
    def name(self) -> str:
        """What the job is called."""
        return self.wanted.name

    @property
    def identity(self) -> list[str]:
        """What is left out."""
        return list(self.wanted.exclude)

    @property
    def recursive(self) -> bool:
        """Whether folders are gone into."""
        return self.wanted.recursive

    @property
    def follow_links(self) -> bool:
        """No: there are no links."""
        return False

    def survey(self) -> Survey:
        """Count what there is.

        Raises:
            UsageError: it may not be read, or there is no image.
            Retryable: a service went away.
        """
        survey = Survey(looks_inside=False)
        for sources, told in self._pages():
            survey.images += len(sources)
            _note(survey, told)
        _check_any(survey, self.wanted)
        return survey

    def __iter__(self) -> Iterator[Source]:
        return chain.from_iterable(sources for sources, _ in self._pages())

    def _pages(self) -> Iterator[tuple[list[Source], Listing]]:
        following: str | None = None
        while True:
            sources, told = listed(self.services, self.wanted, following)
            yield sources, told
            following = told.following
            if following is None:
                return


def _check_any(survey: Survey, wanted: Wanted) -> None:
    if not survey.images:
        notes = "".join(f"; {note}" for note in survey.notes())
        raise UsageError(f"there is no image in {wanted.address}{notes}")


def wanted_among(paths: Sequence[Path], choice: Choice) -> Wanted | None:
    """Return what a command's only argument means in a bucket; None where it is a file or a folder.

    Raises:
        UsageError: it is an address that is none, or options have no say there.
    """
    if len(paths) != 1 or not is_in_bucket(paths[0]):
        return None
    needing = {
        "--manifest": choice.manifest is not None,
        "--pages": not choice.pages.is_first,
        "--points": choice.points is not None,
    }
    if option := next((option for option, is_given in needing.items() if is_given), None):
        raise UsageError(
            f"{option} needs the files: images in a bucket are not read when they are submitted; copy them to a folder "
            "first"
        )
    return wanted_of(address_of(paths[0]), recursive=choice.recursive, exclude=tuple(choice.exclude))


def submit_wanted(
    services: Services, wanted: Wanted, request: Request, *, to: Destination | None, display: Display
) -> Submission:
    """Submit what is wanted of a bucket as one job; an interrupted submission of it goes on.

    Raises:
        UsageError: it may not be read, there is no image, or the folder `to` holds other results.
        ConfigurationError: the services cannot be used as the settings say. No job is made.
        Retryable: a service went away on the way; the same call goes on.
    """
    services.check()
    sources, repository = BucketSources(services, wanted), services.repository
    key = request.key(sources)
    waiting = None if request.resume else repository.awaited_job(key, within=0.0, model=request.model)
    if waiting and not (job := repository.job(waiting)).state.is_final:
        if to:
            to.check_free(repository, job)
        display.line(f"going on with job {waiting}: {plural(job.counts.total, 'image')} from {wanted.address}")
        return Submission(waiting, SubmissionProgress(), 0.0, was_uploaded=True)
    job_id, resumed = _begun(services, request, sources, key)
    try:
        if to:
            to.check_free(repository, repository.job(job_id) if resumed else None)
        if request.waits:
            repository.await_end(job_id, waits=True)
        display.line(f"{'going on with' if resumed else 'submitting'} job {job_id}: images from {wanted.address}")
        started = time.monotonic()
        progress, survey = _add_all(services, job_id, wanted, display)
        _check_any(survey, wanted)
    except BaseException:
        with contextlib.suppress(DelineateError):
            repository.discard_empty(job_id)
        raise
    for note in survey.notes():
        display.line(f"note: {note}")
    seal(services, job_id)
    return Submission(job_id, progress, time.monotonic() - started, in_place=True)


def _begun(services: Services, request: Request, sources: BucketSources, key: str) -> tuple[str, bool]:
    if request.resume:
        return asked_for(services, request.resume).id, True
    return begun(
        services.repository,
        key,
        lambda: services.repository.create_job(
            JobKind.IMAGES,
            name=request.name or sources.name,
            submitted_by=user_at_host(),
            submission_key=key,
            priority=request.priority,
            scale=request.scale,
            unfamiliar=request.unfamiliar,
            channel=request.channel,
            pixel_size=request.pixel_size,
            postprocessing=str(request.postprocessing),
            model=request.model,
            threshold=request.threshold,
        ),
    )


def _add_all(services: Services, job_id: str, wanted: Wanted, display: Display) -> tuple[SubmissionProgress, Survey]:
    """Add page after page; the bar knows no end, since nobody has counted."""
    by_api: Callable[[str, Wanted, str | None], Listing] | None = getattr(services.repository, "add_listed", None)
    survey = Survey(looks_inside=False)
    files = failed = changed = 0
    following: str | None = None
    with display.progress("submitting", 0) as bar:
        while True:
            page = by_api(job_id, wanted, following) if by_api else add_listed(services, job_id, wanted, following)
            files += page.added + page.known + page.replaced
            failed += page.failed
            changed += page.replaced
            _note(survey, page)
            bar(files, total=files)
            following = page.following
            if following is None:
                survey.images = files
                return SubmissionProgress(files, failed, 0, changed), survey


def _note(survey: Survey, page: Listing) -> None:
    survey.hidden += page.hidden
    survey.excluded += page.excluded
    survey.subfolders += page.folders
    for extension, count in page.left_out.items():
        survey.leave_out_some(extension, count)
