"""How much of a body the server takes in before the app is called.

Waitress keeps a whole body, in a temporary file from half a megabyte on, before it calls the app: a stranger could fill
the disk. So more than FORM_BYTES is taken in on the routes of uploads alone, and there once the database has said that
its sender, by a session or a token that is alive, is an operator (of a corrected mask: a reviewer); meanwhile the
connection is not read. Each account has MAX_OF_ACCOUNT uploads at a time, all together MAX_UPLOADS. All other large
bodies are not read at all: the app is called without, and answers whoever may not ask as always, the rest with what
became of the body.
"""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, cast
from weakref import WeakKeyDictionary, ref

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import BadData
from waitress.buffers import OverflowableBuffer
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import RequestEntityTooLarge
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_cookie

from admin.domain import sessions, tokens
from admin.domain.roles import Role
from admin.serving.connections import Channel
from admin.web.context import EXTENSION
from admin.web.guard.auth import FOR_REVIEWERS
from admin.web.guard.cors import API_PREFIX
from admin.web.guard.security import FORM_BYTES, UPLOADS, cookie_names
from admin.web.refusals import Unread, too_large
from shared.errors import DelineateError

log = logging.getLogger(__name__)

MAX_UPLOADS, MAX_OF_ACCOUNT = 12, 4
_RETRY = {"Retry-After": "5"}
_CHECKED_AT_ONCE = 2

_TOO_MANY = Unread(503, "Too many uploads go on at once. Nothing is lost; try again in a moment.", _RETRY)
_UNKNOWN = Unread(503, "Whose upload this is could not be looked up. Nothing is lost; try again in a moment.", _RETRY)
_NO_ROOM = Unread(507, "The server has no room for uploads just now. Nothing was submitted; try again later.", _RETRY)
# The app says what is missing: a login, a token, a role. This is for who got it in the meantime.
_NOT_YET = Unread(503, "The upload was not read, since its sender was not known. Try again.", _RETRY)


class Intake:
    """Decides how much of each request's body is kept."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._database = app.extensions[EXTENSION].database
        self._addresses = app.url_map.bind("localhost")
        self.upload_bytes: int = app.config["MAX_CONTENT_LENGTH"]
        # Forgotten with the request that they belong to, however that ends.
        self._uploads: WeakKeyDictionary[OverflowableBuffer, str] = WeakKeyDictionary()
        self._lock = Lock()
        self._checkers = ThreadPoolExecutor(_CHECKED_AT_ONCE, thread_name_prefix="intake")

    def parser(self, channel: Channel, adjustments: Any) -> HTTPRequestParser:
        """Return what reads the next request of a connection."""
        return _Parser(adjustments, self, channel)

    def is_upload(self, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """Whether a request may have more than FORM_BYTES."""
        is_form = headers.get("CONTENT_TYPE", "").lower().startswith("multipart/form-data")
        return method in ("POST", "PUT") and is_form and self._endpoint(method, path) in UPLOADS

    def _endpoint(self, method: str, path: str) -> str | None:
        try:
            return str(self._addresses.match("/" + path.lstrip("/"), method=method)[0])
        except HTTPException:  # there is none, or it takes no such method
            return None

    def look_up(self, channel: Channel, parser: "_Parser") -> None:
        """Find out whose a large body is, and then go on with the connection, or not."""
        channel.paused = True
        self._checkers.submit(self._decide, channel, parser)

    def close(self) -> None:
        """End the threads."""
        self._checkers.shutdown(wait=False, cancel_futures=True)

    def _decide(self, channel: Channel, parser: "_Parser") -> None:
        try:
            refused = self._refusal(parser)
        except DelineateError:
            refused = _UNKNOWN
        # In the loop's thread, which alone writes to a connection that has no request in work.
        channel.server.trigger.pull_trigger(partial(self._go_on, channel, parser, refused))

    def _go_on(self, channel: Channel, parser: "_Parser", refused: Unread | None) -> None:
        with channel.requests_lock:
            channel.paused = False
            if channel.request is not parser:
                return  # the connection has ended
            if refused is None:
                channel.takes_upload = True
                parser.go_on(channel)
            else:
                parser.leave(refused)
                channel.request = None
                channel.requests.append(parser)
                if len(channel.requests) == 1:
                    channel.server.add_task(channel)

    def _refusal(self, parser: "_Parser") -> Unread | None:
        for_reviewers = self._endpoint(parser.command, parser.path) in FOR_REVIEWERS
        account = self._sender(parser.path, parser.headers, for_reviewers=for_reviewers)
        if account is None:
            return _NOT_YET
        buffer = parser.body_rcv.getbuf()
        with self._lock:
            going_on = list(self._uploads.values())
            if len(going_on) >= MAX_UPLOADS or going_on.count(account) >= MAX_OF_ACCOUNT:
                return _TOO_MANY
            self._uploads[buffer] = account
        return None

    def _sender(self, path: str, headers: Mapping[str, str], *, for_reviewers: bool) -> str | None:
        """The account of whoever may upload; None for everybody else."""

        def may(role: Role) -> bool:
            return role.may_review if for_reviewers else role.may_change

        if ("/" + path.lstrip("/")).startswith(API_PREFIX):
            scheme, _, token = headers.get("AUTHORIZATION", "").partition(" ")
            bearer = tokens.bearer(self._database, token.strip()) if scheme.lower() == "bearer" else None
            return bearer.account.name if bearer and may(bearer.role) else None
        key = self._session_key(headers.get("COOKIE", ""))
        visitor = sessions.visitor(self._database, key) if key else None
        return visitor.account.name if visitor and may(visitor.account.role) else None

    def _session_key(self, cookies: str) -> str | None:
        # As admin.web.guard.security has set it.
        interface = cast(SecureCookieSessionInterface, self._app.session_interface)
        signer = interface.get_signing_serializer(self._app)
        sent = parse_cookie(cookies)
        for cookie in (sent[name] for name in cookie_names(self._app) if name in sent):
            try:
                session = signer.loads(cookie) if signer else None
            except BadData:
                continue
            if isinstance(session, dict) and isinstance(session.get("_user_id"), str):
                return str(session["_user_id"])
        return None


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    # Waitress' own, which has no types.
    error: Any
    completed: bool
    chunked: bool
    content_length: int
    expect_continue: bool

    unread: Unread | None = None
    _waits_for_continue = False

    def __init__(self, adjustments: Any, intake: Intake, channel: Channel) -> None:
        super().__init__(adjustments)
        self._intake = intake
        self._channel = ref(channel)  # it holds us: a circle would keep bodies until the collector comes by

    def received(self, data: bytes) -> int:
        try:
            consumed = int(super().received(data))
        except OSError as error:  # of the temporary file that the body goes into
            log.warning("no room for an upload: %s", error.strerror, extra={"action": "no_room_for_upload"})
            self.leave(_NO_ROOM)
            return len(data)
        if isinstance(self.error, RequestEntityTooLarge) or (
            self.chunked and not self.completed and self.body_bytes_received > self._limit
        ):
            self.leave(too_large(self._limit))
        # What follows is the rest of the body, and no request.
        return len(data) if self.unread else consumed

    def parse_header(self, header: bytes) -> None:
        try:
            super().parse_header(header)
        except ValueError as error:  # more digits than Python reads
            raise ParsingError("Content-Length is invalid") from error
        if self.version == "1.1":
            self._require_one_host()
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Content-Length and Transfer-Encoding exclude each other")
        if self.body_rcv is None or (not self.chunked and self.content_length <= FORM_BYTES):
            return
        if self.content_length > self._limit:
            self.leave(too_large(self._limit))
        elif self._is_upload and (channel := self._channel()) is not None:
            self._waits_for_continue, self.expect_continue = self.expect_continue, False
            self._intake.look_up(channel, self)

    def go_on(self, channel: Channel) -> None:
        """Take the body in."""
        if self._waits_for_continue:
            self.expect_continue = True
            channel.send_continue()

    def leave(self, unread: Unread) -> None:
        """Call the app without the body."""
        self.unread = unread
        self.error = None
        self.expect_continue = False  # else waitress would ask for the body all the same
        self.completed = True
        self.connection_close = True

    @property
    def _is_upload(self) -> bool:
        return self._intake.is_upload(self.command, self.path, self.headers)

    @property
    def _limit(self) -> int:
        most = self._intake.upload_bytes
        return most if self._is_upload else min(FORM_BYTES, most)

    def _require_one_host(self) -> None:
        host = self.headers.get("HOST")
        if host is None or "," in host or " " in host:
            raise ParsingError("send one Host header")
