"""Errors of HTTP whose line is ours and says what to do; what Werkzeug says of its own is not for users."""

from collections.abc import Mapping

from werkzeug.exceptions import HTTPException


class Refused(HTTPException):
    """A request that is refused, with one line that says what to do."""

    def __init__(self, code: int, advice: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(advice)
        self.code = code
        self.headers = dict(headers or {})
