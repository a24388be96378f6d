"""Errors of the API as those that the commands know, with their exit codes."""

from collections.abc import Iterator
from contextlib import contextmanager

from delineate_client.errors import ApiError, ApiUnavailable
from shared.errors import ConfigurationError, DatabaseUnavailable, JobNotFound, ObjectMissing, UsageError


class ApiAway(DatabaseUnavailable):
    """The API does not answer, or a service behind it is away."""

    part = "the API"


@contextmanager
def translated(*, missing: type[ObjectMissing] | type[JobNotFound] = JobNotFound) -> Iterator[None]:
    """Turn the client's errors into our own; what is not there is `missing`.

    Raises:
        ApiAway: it does not answer.
        ConfigurationError: it does not know the token.
        UsageError: it refuses what was asked for.
    """
    try:
        yield
    except ApiUnavailable as error:
        raise ApiAway(str(error)) from error
    except ApiError as error:
        raise _translated(error, missing) from error


def _translated(error: ApiError, missing: type[ObjectMissing] | type[JobNotFound]) -> Exception:
    line = str(error).rstrip(".")
    line = f"{line[:1].lower()}{line[1:]}"
    if error.status == 401:
        return ConfigurationError("the API does not know the token: set DELINEATE_TOKEN to one of its page Tokens")
    if error.status == 403:
        return ConfigurationError("the token may not do that: set DELINEATE_TOKEN to one of an operator")
    if error.status == 404:
        return missing(line)
    return UsageError(line)
