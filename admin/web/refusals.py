"""Errors of HTTP whose line is ours and says what to do; what Werkzeug says of its own is not for users."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Flask, request
from werkzeug.exceptions import HTTPException

from admin.web.problems import ProblemKind

UNREAD = "delineate.unread"
"""Where the environment of a request holds an Unread, if it does."""


@dataclass(frozen=True)
class Unread:
    """Why a request came without its body: the answer to whoever was allowed to ask."""

    code: int
    advice: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(HTTPException):
    """A request that is refused, with one line that says what to do."""

    def __init__(
        self,
        code: int,
        advice: str,
        headers: Mapping[str, str] | None = None,
        *,
        kind: ProblemKind | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Tell an error of HTTP.

        Args:
            code: its status.
            advice: one line that says what to do.
            headers: of the answer.
            kind: for programs, where the status alone does not tell.
            more: further members of the problem, such as `job`.
        """
        super().__init__(advice)
        self.code = code
        self.headers = dict(headers or {})
        self.kind = kind
        self.more = dict(more or {})


def init_app(app: Flask) -> None:
    """Answer what the server did not read. Goes after the question who asks, and before anything that reads a body."""
    app.before_request(_refuse_unread)


def too_large(limit: int) -> Unread:
    """Return the answer to a body of more than `limit` bytes."""
    size = f"{limit // 2**20:,} MiB" if limit >= 2**20 else f"{limit:,} bytes"
    return Unread(413, f"This address takes at most {size} at once: send less. `producer submit` has no such limit.")


def _refuse_unread() -> None:
    unread = request.environ.get(UNREAD)
    if isinstance(unread, Unread):
        raise Refused(unread.code, unread.advice, unread.headers)
