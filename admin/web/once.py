"""A submission under a key is made once, however often it is asked for."""

import contextlib
import time
from collections.abc import Callable

from admin.domain.request_keys import RequestKey
from admin.web.context import services, who
from admin.web.problems import ProblemKind
from admin.web.refusals import Refused
from shared.errors import DelineateError

_LOOKED_EVERY_SECONDS = 0.1
_WAITED_SECONDS = 5.0
_RETRY = {"Retry-After": "2"}

Make = Callable[[Callable[[str], None]], str]
"""Makes the job and returns its id; may tell the id as soon as it is known."""


def submitted_once(kind: str, key: str | None, make: Make, *, fingerprint: str | None = None) -> tuple[str, bool]:
    """Return the id of the job, and whether this call made it. Without a key it always does.

    Raises:
        Refused: somebody else with this key is still making the job, or asked for something else (`fingerprint`).
    """
    if not key:
        return make(lambda _job_id: None), True
    request_key = RequestKey(services().database, account=who(), kind=kind, key=key, fingerprint=fingerprint)
    if not request_key.claim():
        if not request_key.is_the_same():
            advice = "This key was sent with another request: give each submission a key of its own."
            raise Refused(422, advice, kind=ProblemKind.KEY_REUSED)
        return _job_of(request_key), False
    try:
        job_id = make(request_key.made)
    except BaseException:
        with contextlib.suppress(DelineateError):
            request_key.give_up()
        raise
    request_key.made(job_id)
    return job_id, True


def _job_of(request_key: RequestKey) -> str:
    """The job that another request makes just now, which takes a moment."""
    deadline = time.monotonic() + _WAITED_SECONDS
    while (job_id := request_key.job()) is None:
        if time.monotonic() >= deadline:
            raise Refused(
                409,
                "This was sent already, and its job is still being made: look again soon.",
                _RETRY,
                kind=ProblemKind.STILL_BEING_MADE,
            )
        time.sleep(_LOOKED_EVERY_SECONDS)
    return job_id
