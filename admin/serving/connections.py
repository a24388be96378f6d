"""Connections: how many there may be, and how long one may take over what it sends and what it reads.

A stranger can open connections and say nothing, or a byte now and then; a reader can ask for much and take none of it.
Where there are too many, the one that has kept a request waiting the longest makes room; what has become of a request
in work is read at a least rate, or the connection ends and with it the thread that serves it.
"""

import socket
import time
from collections.abc import Callable
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask as WaitressErrorTask
from waitress.task import WSGITask

from admin.api.operations import PROBLEM_TYPE
from admin.api.schemas.problems import Problem
from admin.web import request_ids
from admin.web.guard.cors import API_PREFIX
from admin.web.guard.network import client_network
from admin.web.problems import ProblemKind
from admin.web.refusals import UNREAD
from shared.db.tables.base import new_id

MAX_CONNECTIONS = 256
MAX_OF_ADDRESS = 64
"""Of one client; behind a proxy, which all clients come through, it is the proxy's to count."""
HEADER_SECONDS = 20.0
BODY_SECONDS = 60.0
"""For the whole of a small body."""
RATE_SECONDS, RATE_BYTES = 60.0, 64 * 1024
"""An upload and an answer move by so much in such a time."""
LINGER_SECONDS = 10.0
"""For which what is still sent of a refused body is thrown away, so that its sender sees the answer."""


class _Rate:
    """Whether something moves fast enough: RATE_BYTES in every RATE_SECONDS."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._moved = 0

    def moved(self, count: int) -> None:
        self._moved += count

    def is_too_slow(self, waits: bool, now: float) -> bool:
        """Tell, from time to time, whether anything waits to move."""
        if not waits:
            self._since = None
        elif self._since is None:
            self._since, self._moved = now, 0
        elif now - self._since >= RATE_SECONDS:
            slow = self._moved < RATE_BYTES
            self._since, self._moved = now, 0
            return slow
        return False


class Task(WSGITask):  # type: ignore[misc]
    """A request for the app, which is told where its body was not read."""

    def get_environment(self) -> dict[str, Any]:
        """Return the WSGI environment."""
        environ: dict[str, Any] = super().get_environment()
        if self.request.unread is not None:
            environ[UNREAD] = self.request.unread
        return environ

    def execute(self) -> None:
        """Call the app; after a body that was not read the connection cannot go on."""
        if self.request.unread is not None:
            self.set_close_on_finish()
        super().execute()


class ErrorTask(WaitressErrorTask):  # type: ignore[misc]
    """An answer to what was no request that the app could be called with."""

    def execute(self) -> None:
        """Write the answer, to the API in its own form."""
        error = self.request.error
        detail = _ADVICE.get(error.code, "The request could not be understood.")
        if getattr(self.request, "path", "").startswith(API_PREFIX):
            body, media = _problem(error.code, error.reason, detail, identity := new_id()), PROBLEM_TYPE
            self.response_headers.append((request_ids.HEADER, identity))
        else:
            body, media = f"{error.reason}: {detail}\n", "text/plain; charset=utf-8"
        self.status = f"{error.code} {error.reason}"
        self.response_headers += [("Content-Type", media), ("Cache-Control", "no-store")]
        self.set_close_on_finish()
        data = body.encode()
        self.content_length = len(data)
        self.write(data)


def _problem(status: int, title: str, detail: str, identity: str) -> str:
    kind = ProblemKind.of_status(status)
    problem = Problem(type=kind.type, title=title, status=status, detail=detail, fields=[], request_id=identity)
    return problem.model_dump_json(exclude_none=True)


_ADVICE = {
    400: "This is no request that HTTP knows: one line, headers with one Host, one length of the body.",
    431: "The headers are too long.",
    500: "That is a fault of Delineate. The log of the admin says more.",
    501: "A body is sent as it is or chunked, in no other encoding.",
}


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection. `make_parser` and `limit_addresses` are set by the server that it belongs to."""

    # Waitress' own, which has no types.
    request: Any
    requests: list[Any]
    will_close: bool
    close_when_flushed: bool
    total_outbufs_len: int

    task_class = Task
    error_task_class = ErrorTask
    make_parser: Callable[["Channel", Any], HTTPRequestParser]
    limit_addresses = True
    paused = False  # while it is found out whose a large body is
    takes_upload = False
    _is_unread = False

    def __init__(self, server: Any, sock: socket.socket, addr: Any, adj: Any, map: Any = None) -> None:
        super().__init__(server, sock, addr, adj, map=map)
        self.waits_since = time.monotonic()  # for a request to be complete
        self._received, self._sent = _Rate(), _Rate()
        self._drains_since: float | None = None
        self._make_room()

    def parser_class(self, adjustments: Any) -> HTTPRequestParser:
        """Return what reads the next request, as waitress asks for it."""
        return type(self).make_parser(self, adjustments)

    # -- the loop's thread ---------------------------------------------------------------------------------------

    def readable(self) -> bool:
        """Whether the loop shall read: not while it is asked whose a large body is."""
        if self._drains_since is not None:
            return not self.will_close
        return not self.paused and bool(super().readable())

    def handle_read(self) -> None:
        """Read, or throw away what is left of a refused body."""
        if self._drains_since is not None:
            self.recv(2**16)  # which closes the connection at its end
            return
        super().handle_read()

    def received(self, data: bytes) -> bool:
        """Take what was read, and note that it moved."""
        if self.request is None and not self.requests:
            self.waits_since = time.monotonic()
        self._received.moved(len(data))
        return bool(super().received(data))

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send what the client takes, and note that it moved."""
        sent = int(super().send(data, do_close=do_close) or 0)
        self._sent.moved(sent)
        return sent

    def handle_write(self) -> None:
        """Send what is ready; after a refused body close one direction alone."""
        if not self.close_when_flushed or self.will_close or not self._is_unread:
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if not self.total_outbufs_len:
            # Closed at once, what is on its way to us would make the client's system drop the answer.
            self.close_when_flushed = False
            self._drains_since = time.monotonic()
            self._shutdown(socket.SHUT_WR)

    def handle_close(self) -> None:
        """Close, and let go of what a request had sent so far."""
        self.request = None  # and with it what it had kept
        super().handle_close()

    def service(self) -> None:
        """Serve a request, in a thread of its lane."""
        self._is_unread = self.requests[0].unread is not None
        super().service()
        self.takes_upload = False
        self.waits_since = time.monotonic()

    def look_after(self, now: float) -> None:
        """End the connection where it takes too long; called every few seconds."""
        if self._is_over_time(now):
            self.end()

    def end(self) -> None:
        """Close it in the next round of the loop, also where its client takes nothing."""
        self.will_close = True
        self._shutdown(socket.SHUT_RDWR)  # or the loop would wait until it can be written to

    def _is_over_time(self, now: float) -> bool:
        if self._drains_since is not None:
            return now - self._drains_since > LINGER_SECONDS
        if self._sent.is_too_slow(self.total_outbufs_len > 0, now):
            return True
        if self.requests or self.paused or self.request is None:
            return False
        if not self.request.headers_finished:
            return now - self.waits_since > HEADER_SECONDS
        if self.takes_upload:
            return self._received.is_too_slow(True, now)
        return now - self.waits_since > BODY_SECONDS

    def _make_room(self) -> None:
        """Where this connection is one too many, end the one that has waited the longest for its request."""
        others = [channel for channel in self.server.active_channels.values() if not channel.will_close]
        if self.limit_addresses:
            network = client_network(self.addr[0])
            same = [channel for channel in others if client_network(channel.addr[0]) == network]
            if len(same) > MAX_OF_ADDRESS:
                _end_one(same)
                return
        if len(others) > MAX_CONNECTIONS:
            _end_one(others)

    def _shutdown(self, how: int) -> None:
        try:
            self.socket.shutdown(how)
        except OSError:
            self.will_close = True


def _end_one(channels: list[Channel]) -> None:
    waiting = [channel for channel in channels if not channel.requests and not channel.takes_upload]
    chosen = min(waiting, key=lambda channel: channel.waits_since, default=channels[-1])
    chosen.end()
