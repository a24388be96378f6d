"""Cloning: the inputs of a job once more, with another model, threshold or scale. Nothing is copied but rows."""

from collections.abc import Iterator

from shared.errors import UsageError
from shared.flows.sources import blocks
from shared.flows.submission import fill
from shared.images.scale import checked_scale
from shared.jobs.clones import hold_inputs, inputs
from shared.jobs.records import Job, NewItem, Priority
from shared.jobs.state import JobKind
from shared.services import Services

_AGAIN = ", again"
_MOST_NAME = 200  # characters
MAX_IMAGES = 10_000
"""Of a job that is cloned: whoever asks waits until all rows of the clone are there."""


def cloned_name(job: Job) -> str:
    """Return what a clone of a job is called where nobody says."""
    return f"{(job.name or 'unnamed')[: _MOST_NAME - len(_AGAIN)]}{_AGAIN}"


def clone(
    services: Services,
    job: Job,
    *,
    name: str,
    submitted_by: str,
    priority: Priority,
    model: str | None,
    threshold: float | None,
    scale: float,
) -> str:
    """Make a job over the inputs of another, which stay where they are, and return its id.

    Whatever is no argument here it has of that job. `model`, `threshold` and `scale` are as `submit_images` has them.

    Raises:
        UsageError: it has no inputs, too many, or not all of them; a value is out of range; there is no such model.
        Retryable: a service went away, and no clone stays.
    """
    checked_scale(scale)
    if job.sealed_at is None:
        raise UsageError("the job still takes images: clone it once all of them are there")
    if job.sources_removed_at is not None and job.kind is JobKind.IMAGES:
        raise UsageError("the images of the job have been removed: submit them again")
    if not 1 <= job.counts.total <= MAX_IMAGES:
        raise UsageError(f"the job has {job.counts.total:,} images: a clone may have 1 to {MAX_IMAGES:,}; submit again")
    clone_id = services.repository.create_job(
        job.kind,
        name=name,
        submitted_by=submitted_by,
        priority=priority,
        scale=scale,
        unfamiliar=job.unfamiliar,
        channel=job.channel,
        pixel_size=job.pixel_size,
        postprocessing=job.postprocessing,
        model=model,
        threshold=threshold,
    )
    fill(services, clone_id, blocks(_held(services, job, clone_id), services.settings.shard_size), priority)
    return clone_id


def _held(services: Services, job: Job, clone_id: str) -> Iterator[NewItem]:
    hold_inputs(services.database, job.id, clone_id=clone_id)
    yield from inputs(services.database, job.id, total=job.counts.total)
