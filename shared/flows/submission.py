"""Submitting: sources → object store → rows → hints, for the producer and the admin alike.

Sources are uploaded in parallel, and each shard's rows are committed and hinted at as soon as its sources are there,
so that the first masks are made while later files are still on their way. At most two shards of files are in
memory's reach at once, whatever the size of the folder. Nothing is hinted at before its rows are committed.

Several processes that submit the same at once fill one job together: what one has added the others leave out.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from shared.errors import DelineateError, Outrun, Retryable, UsageError
from shared.flows.hints import Hints
from shared.flows.sources import Source, SubmissionProgress
from shared.flows.upload import Upload
from shared.images.channel_choice import AUTO
from shared.images.scale import checked_scale
from shared.jobs.records import NewItem, Priority, Unfamiliar
from shared.jobs.state import JobKind
from shared.jobs.submissions import Submissions
from shared.objects.options import NO_PROCESSING, PostProcessing
from shared.pixel_size import PixelSize
from shared.services import Services

__all__ = ["Source", "SubmissionProgress", "begun", "fill", "seal", "submit_images"]

log = logging.getLogger(__name__)

# With pauses that double, a quarter of a minute in all.
_SEAL_ATTEMPTS, _FIRST_SEAL_PAUSE_SECONDS = 6, 0.5


def submit_images(
    services: Services,
    sources: Iterable[Source],
    *,
    name: str,
    submitted_by: str,
    submission_key: str | None = None,
    resume: str | None = None,
    priority: Priority = Priority.NORMAL,
    scale: float = 1.0,
    unfamiliar: Unfamiliar = Unfamiliar.FLAG,
    channel: str = AUTO,
    pixel_size: PixelSize | None = None,
    postprocessing: PostProcessing = NO_PROCESSING,
    model: str | None = None,
    threshold: float | None = None,
    on_start: Callable[[str, bool], None] = lambda job_id, resumed: None,
    on_progress: Callable[[SubmissionProgress], None] = lambda progress: None,
) -> str:
    """Make a job of these sources, or go on with an interrupted one of the same `submission_key`; return its id.

    `resume` is the id of an unsealed job to go on with, whatever its key. What has changed since an interrupted
    submission took it is taken anew.

    The images are resampled by `scale` for the network; their results have their own size. `unfamiliar` says what
    becomes of images unlike anything that the model knows, `channel` what of their channels is taken, `pixel_size` how
    large their pixels are whatever their files say, `postprocessing` what is done to their masks. `model` names the
    model that segments them or begins its SHA-256, else it is the active one; `threshold` cuts their maps in place of
    the model's own. `on_start` gets the job's id and whether it is an interrupted one that goes on; where it raises,
    nothing is uploaded and no new job stays.

    Raises:
        UsageError: there are no sources, a value is out of range, there is no such model, or another submission with
            this key is going on.
        Retryable: a service went away. The job stays unsealed, and the same call goes on where this one was.
    """
    checked_scale(scale)
    iterator = iter(sources)
    first = next(iterator, None)
    if first is None:
        raise UsageError("there is no image to submit")
    repository = services.repository
    job_id, resumed = (
        (resume, True)
        if resume
        else begun(
            repository,
            submission_key,
            lambda: repository.create_job(
                JobKind.IMAGES,
                name=name,
                submitted_by=submitted_by,
                submission_key=submission_key,
                priority=priority,
                scale=scale,
                unfamiliar=unfamiliar,
                pixel_size=pixel_size,
                postprocessing=str(postprocessing),
                channel=channel,
                model=model,
                threshold=threshold,
            ),
        )
    )
    try:
        on_start(job_id, resumed)
        Upload(services, job_id, resumed, Hints(services, priority), on_progress).run(chain([first], iterator))
    except BaseException:
        # Also for Ctrl-C: what is not in a shard yet leaves no trace.
        with contextlib.suppress(DelineateError):
            repository.discard_empty(job_id)
        raise
    seal(services, job_id)
    return job_id


def begun(repository: Submissions, submission_key: str | None, make: Callable[[], str]) -> tuple[str, bool]:
    """Return the unsealed job of this key, and whether it was there before; without one `make` gives its id."""
    while True:
        if submission_key and (job_id := repository.unsealed_job(submission_key)):
            return job_id, True
        with contextlib.suppress(Outrun):  # by another process that submits the same
            return make(), False


def fill(services: Services, job_id: str, items: Iterable[Sequence[NewItem]], priority: Priority) -> None:
    """Add items of which nothing has to be uploaded to a new job, a shard for each block, and seal it.

    Where that fails nothing stays: nobody can go on with a part of what was asked for.
    """
    hints = Hints(services, priority)
    try:
        for block in items:
            services.repository.add_shard(job_id, block)
            hints.send()
    except BaseException:
        # Also for Ctrl-C.
        with contextlib.suppress(DelineateError):
            services.repository.discard_empty(job_id)
            services.repository.cancel(job_id)
        raise
    seal(services, job_id)


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
