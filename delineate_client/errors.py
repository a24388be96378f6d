"""What can go wrong between the client and the API."""

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """The API refused a request; `str(error)` is one line that says what to do.

    Attributes:
        status: of HTTP.
        kind: the problem's stable word, such as `invalid-values`.
        detail: what to do about it.
        fields: what does not fit, by the name of the value.
        job: the address of the job that it is about, if any.
        code: why an image failed, a stable word, if that is it.
        request_id: by which the admin's log knows the request.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.kind = str(problem.get("type", "")).rpartition("/")[2]
        self.detail = str(problem.get("detail") or f"the API answered with {status}")
        self.fields = {str(each["field"]): str(each["reason"]) for each in problem.get("fields") or []}
        self.job: str | None = problem.get("job")
        self.code: str | None = problem.get("code")
        self.request_id: str | None = problem.get("request_id")
        told = ", ".join(f"{name}: {reason}" if name else reason for name, reason in self.fields.items())
        super().__init__(told or self.detail)


class ApiUnavailable(Exception):
    """The API does not answer, or a service behind it is away: try again later; nothing is lost."""


class WaitTimeout(Exception):
    """The job has not ended within the time that was given; it goes on."""
