"""Jobs that are filled a few images at a time, by pages and by the API, until they are sealed."""

import hashlib

from admin.web.context import services, who
from shared.errors import UsageError
from shared.jobs.records import Job
from shared.jobs.state import JobKind


def own_key(key: str) -> str:
    """Return the key of a submission as the asking account's own, so that nobody finds what another has begun."""
    return hashlib.sha256(f"{who()}\0{key}".encode(errors="replace")).hexdigest()


def is_filled(job: Job) -> bool:
    """Whether images can still be added to a job."""
    return job.kind is JobKind.IMAGES and job.sealed_at is None and not job.state.is_final


def require_filled(job_id: str) -> Job:
    """Return a job to which images can still be added.

    Raises:
        JobNotFound: there is none.
        UsageError: it takes no more.
    """
    job = services().repository.job(job_id)
    if not is_filled(job):
        raise UsageError(f"job {job_id} takes no more images: its submission is complete, or was ended")
    return job
