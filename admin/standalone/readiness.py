"""Whether the stack is ready: each part is asked, none is assumed."""

import http.client
from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import DelineateError, Retryable
from shared.services import Services

_ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Check:
    """A part of the stack and the question whether it answers."""

    part: str
    answers: Callable[[], bool]


def first_silent(checks: list[Check]) -> str | None:
    """Return the first part that does not answer yet, or None when all do."""
    return next((check.part for check in checks if not check.answers()), None)


def broker_check(services: Services) -> Check:
    """Whether the queue answers."""
    return Check("broker", lambda: _passes(services.queue.check))


def database_check(services: Services) -> Check:
    """Whether the database answers and has this version's tables."""
    return Check("database", lambda: _passes(services.database.check))


def worker_check(services: Services, seconds_since_start: Callable[[], float]) -> Check:
    """Whether a worker has reported itself since ours was started; one of an earlier life does not count."""

    def has_reported() -> bool:
        try:
            return bool(services.workers.alive(within=seconds_since_start()))
        except Retryable:
            return False

    return Check("worker", has_reported)


def admin_check(host: str, port: int) -> Check:
    """Whether the web admin says that it is ready."""
    return Check("admin", lambda: _answers_200(host, port, "/health/ready"))


def _passes(check: Callable[[], None]) -> bool:
    try:
        check()
    except DelineateError:
        return False
    return True


def _answers_200(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
