"""`Prefer: wait=N` (RFC 7240): an answer that comes when the job has ended, or after so many seconds."""

import re
import time
from collections.abc import Callable

from flask import Response, request

from admin.web.context import services

MAX_WAIT_SECONDS = 60
HEADER, APPLIED = "Prefer", "Preference-Applied"
_WAIT = re.compile(r"\s*wait\s*=\s*\"?(\d{1,6})\"?\s*")
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS, _GROWTH = 0.02, 0.5, 1.3


def preferred_wait() -> int | None:
    """Return for how many seconds the client would wait, at most MAX_WAIT_SECONDS; None where it does not say.

    A preference that cannot be read is passed over, as the RFC has it; `respond-async` is a wait of none.
    """
    preferences = ",".join(request.headers.getlist(HEADER)).split(",")
    for preference in preferences:
        if found := _WAIT.fullmatch(preference):
            return min(int(found[1]), MAX_WAIT_SECONDS)
        if preference.strip().lower() == "respond-async":
            return 0
    return None


def wait_for_end(job_id: str, seconds: float, *, give_up: Callable[[float], bool] = lambda waited: False) -> bool:
    """Wait until a job has ended, at most so long; whether it has.

    Args:
        job_id: of the job.
        seconds: of the wait.
        give_up: is asked on the way, with the seconds that were waited, whether there is nothing to wait for.

    Raises:
        JobNotFound: no such job.
    """
    begun = time.monotonic()
    pause = _FIRST_PAUSE_SECONDS
    while not services().repository.state(job_id).is_final:
        waited = time.monotonic() - begun
        if waited >= seconds or give_up(waited):
            return False
        time.sleep(min(pause, seconds - waited))
        pause = min(pause * _GROWTH, _MAX_PAUSE_SECONDS)
    return True


def waited(answer: Response, seconds: int | None) -> Response:
    """Say in an answer which wait was granted."""
    if seconds is not None:
        answer.headers[APPLIED] = f"wait={seconds}"
    return answer
