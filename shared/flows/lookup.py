"""Finding the job that a command line means."""

import re

from shared.errors import JobNotFound, UsageError
from shared.jobs.records import Job
from shared.services import Services

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Ids begin with the time, so that neighbours look alike; their endings are random.
_ENDING = re.compile(r"[0-9a-f-]{4,36}")
LAST = "last"


def find_job(services: Services, reference: str) -> Job:
    """Return the job of this id, of the only id that ends like this, or the newest one for `last`.

    Raises:
        JobNotFound: there is none.
        UsageError: the ending fits several jobs, or can be no ending of an id.
        DatabaseUnavailable: the database does not answer.
    """
    services.database.check()
    repository = services.repository
    if reference == LAST:
        newest = repository.jobs(limit=1)
        if not newest:
            raise JobNotFound("there is no job yet: `producer submit` makes one")
        return newest[0]
    reference = reference.lower()
    if _ID.fullmatch(reference):
        return repository.job(reference)
    if not _ENDING.fullmatch(reference):
        raise UsageError(f"{reference!r} is no job: give an id, its last characters (four or more), or `last`")
    fitting = repository.job_ids_ending(reference, limit=2)
    if not fitting:
        raise JobNotFound(f"no job's id ends in {reference}: `producer status` lists the jobs")
    if len(fitting) > 1:
        raise UsageError(f"several jobs' ids end in {reference}: give more of the id")
    return repository.job(fitting[0])
