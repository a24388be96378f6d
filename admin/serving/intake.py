"""How much of a body the server takes in before the app knows who sends it.

Waitress keeps a whole body, in a temporary file from half a megabyte on, before it calls the app: a stranger could fill
the disk. So what lies over FORM_BYTES is kept only where the headers show

- a session of somebody, whose signature is checked here; it takes no database,
- or what looks like a token. Only the database knows whether it is one, so there are MAX_TOKEN_UPLOADS at a time.

The rest of anybody else's body is read and dropped: the app answers as always, since it refuses without reading.
"""

from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import BadData
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.utilities import Error
from werkzeug.http import parse_cookie

from admin.api.operations import PROBLEM_TYPE
from admin.api.schemas import Problem
from admin.domain import tokens
from admin.web.guard.security import FORM_BYTES

MAX_TOKEN_UPLOADS = 8
_RETRY_SECONDS = 5


class Intake:
    """Decides, from a request's headers, how much of its body is kept."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        # Forgotten with the request that they belong to, however that ends.
        self._with_token: WeakSet[OverflowableBuffer] = WeakSet()

    def buffer_for(self, headers: Mapping[str, str], overflow: int) -> OverflowableBuffer | None:
        """Return where a body over FORM_BYTES goes, `overflow` bytes of it into memory; None: not now."""
        if self._has_session(headers.get("COOKIE", "")):
            return OverflowableBuffer(overflow)
        scheme, _, token = headers.get("AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer" or not tokens.looks_like_one(token.strip()):
            return _Start(overflow)
        if len(self._with_token) >= MAX_TOKEN_UPLOADS:
            return None
        buffer = OverflowableBuffer(overflow)
        self._with_token.add(buffer)
        return buffer

    def channel(self) -> type[HTTPChannel]:
        """Return the class for connections whose bodies are taken in like this."""
        intake = self

        class Channel(HTTPChannel):  # type: ignore[misc]
            def parser_class(self, adjustments: Any) -> HTTPRequestParser:
                return _Parser(adjustments, intake)

        return Channel

    def _has_session(self, cookies: str) -> bool:
        interface = self._app.session_interface
        assert isinstance(interface, SecureCookieSessionInterface)  # noqa: S101 - set by admin.web.guard.security
        signer = interface.get_signing_serializer(self._app)
        cookie = parse_cookie(cookies).get(interface.get_cookie_name(self._app))
        if signer is None or cookie is None:
            return False
        try:
            session = signer.loads(cookie, max_age=int(self._app.permanent_session_lifetime.total_seconds()))
        except BadData:
            return False
        # The login form gives a session to strangers too; Flask-Login's name for who it belongs to is missing there.
        return isinstance(session, dict) and "_user_id" in session


class _Start(OverflowableBuffer):  # type: ignore[misc]
    """Keeps the start of a body: a little over FORM_BYTES, by which the app sees that it was too large."""

    def append(self, data: bytes) -> None:
        if len(self) <= FORM_BYTES:
            super().append(data)


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    def __init__(self, adjustments: Any, intake: Intake) -> None:
        super().__init__(adjustments)
        self._intake = intake

    def parse_header(self, header: bytes) -> None:
        super().parse_header(header)
        if self.body_rcv is None or (not self.chunked and self.content_length <= FORM_BYTES):
            return
        buffer = self._intake.buffer_for(self.headers, self.adj.inbuf_overflow)
        if buffer is None:
            self.error = _Busy("Nothing is lost; try again in a moment.")
            self.completed = True
            self.expect_continue = False  # else waitress would ask for the body all the same
        else:
            self.body_rcv.buf = buffer


class _Busy(Error):  # type: ignore[misc]
    """An answer in the form of the API: what has a token comes from a program."""

    code = 503
    reason = "Service Unavailable"

    def to_response(self, _ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        problem = Problem(title="Too many uploads at once", status=self.code, detail=self.body)
        headers = [("Content-Type", PROBLEM_TYPE), ("Retry-After", str(_RETRY_SECONDS))]
        return f"{self.code} {self.reason}", headers, problem.model_dump_json().encode()
