"""What the server takes in of a body before the app has looked who sends it."""

import http.client
import io
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from waitress.adjustments import Adjustments

from admin.domain import tokens
from admin.domain.roles import Role
from admin.serving.intake import MAX_TOKEN_UPLOADS, Intake
from admin.serving.server import WebServer
from admin.web.guard.security import FORM_BYTES
from shared.config import Settings
from shared.services import Services
from tests.unit.admin.conftest import Browser

LARGE = 3 * FORM_BYTES
TOKEN = "Bearer dln_" + "x" * 43


class Server:
    """The parsers of one server, without its sockets."""

    def __init__(self, app: Flask) -> None:
        self.channel = Intake(app).channel()
        self.adjustments = Adjustments(max_request_body_size=2**22 + FORM_BYTES)
        self.open: list[Any] = []

    def receive(self, *headers: str, size: int = LARGE, chunked: bool = False):
        """Give a whole request to a parser of a new connection."""
        parser = self.channel.parser_class(None, self.adjustments)
        self.open.append(parser)
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        head = "\r\n".join(["POST /api/v1/jobs/images HTTP/1.1", "Host: x", length, *headers]) + "\r\n\r\n"
        parser.received(head.encode())
        block = bytes(2**16)
        sent = b"%x\r\n%s\r\n" % (len(block), block) if chunked else block
        for _ in range(size // len(block)):
            if not parser.completed:
                parser.received(sent)
        if chunked and not parser.completed:
            parser.received(b"0\r\n\r\n")
        assert parser.completed
        return parser

    def end(self) -> None:
        """End the latest request."""
        self.open.pop().close()


@pytest.fixture
def server(app: Flask) -> Iterator[Server]:
    server = Server(app)
    yield server
    while server.open:
        server.end()


def cookie_of(browser: Browser) -> str:
    found = browser.client.get_cookie("delineate")
    assert found is not None
    return f"Cookie: other=1; delineate={found.value}"


@pytest.mark.parametrize("chunked", [False, True])
def test_of_a_strangers_body_the_start_is_kept(server: Server, stranger: Browser, chunked: bool) -> None:
    stranger.token("/login")  # it has a session, which is nobody's
    of_nobody = cookie_of(stranger)
    for headers in ([], [of_nobody], ["Cookie: delineate=eyJfdXNlcl9pZCI6ImFuYSJ9.aaaaaa.aaaa"],
                    ["Authorization: Bearer x"], ["Authorization: Basic YW5hOng="]):  # fmt: skip
        parser = server.receive(*headers, chunked=chunked)
        assert parser.error is None
        assert FORM_BYTES < len(parser.body_rcv) <= FORM_BYTES + 2**16
        # The app is told of more than it takes, and so refuses without reading.
        assert int(parser.headers["CONTENT_LENGTH"]) > FORM_BYTES


@pytest.mark.parametrize("chunked", [False, True])
def test_of_somebodys_body_all_is_kept(server: Server, browser: Browser, chunked: bool) -> None:
    browser.token("/tokens")
    for header in (cookie_of(browser), f"Authorization: {TOKEN}"):
        assert len(server.receive(header, chunked=chunked).body_rcv) == LARGE


def test_a_small_body_is_anybodys(server: Server) -> None:
    assert len(server.receive(size=FORM_BYTES).body_rcv) == FORM_BYTES


def test_only_so_many_tokens_are_believed_at_once(server: Server) -> None:
    headers = f"Authorization: {TOKEN}", "Expect: 100-continue"
    for _ in range(MAX_TOKEN_UPLOADS):
        assert server.receive(*headers).error is None
    refused = server.receive(*headers)
    status, given, body = refused.error.to_response()
    assert status.startswith("503")
    assert json.loads(body)["status"] == 503
    assert ("Retry-After", "5") in given
    assert not refused.expect_continue
    assert len(refused.body_rcv) == 0
    assert server.receive(*headers, size=FORM_BYTES).error is None
    del refused
    for _ in range(3):  # that one, the small one, and one that was believed
        server.end()
    assert server.receive(*headers).error is None


@pytest.fixture
def address(app: Flask, settings: Settings) -> Iterator[tuple[str, int]]:
    """A server on a real socket."""
    server = WebServer(app, settings)
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    yield "127.0.0.1", server.port
    # Its loop ends when nothing is left to listen to. Woken by something else, it may have closed before this wakes it.
    with suppress(OSError):
        server._server.trigger.pull_trigger(server._server.close)
    running.join(60)
    assert not running.is_alive()


def test_the_server_answers_strangers_as_before_and_takes_an_upload(
    address: tuple[str, int], services: Services, settings: Settings
) -> None:
    boundary = "of-the-test"
    pad = bytes(settings.max_source_bytes)
    part = b'--%b\r\nContent-Disposition: form-data; name="images"; filename="%d.png"\r\n\r\n%b\r\n'
    body = io.BytesIO()
    for number in range(8):
        body.write(part % (boundary.encode(), number, pad))
    body.write(b"--%b--\r\n" % boundary.encode())
    assert len(body.getvalue()) > FORM_BYTES

    def post(path: str, **headers: str) -> int:
        connection = http.client.HTTPConnection(*address, timeout=60)
        given = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Connection": "close", **headers}
        connection.request("POST", path, body.getvalue(), given)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    token = tokens.create(services.database, "ana", "script", Role.OPERATOR)
    assert post("/api/v1/jobs/images") == 401
    assert post("/api/v1/jobs/images", Authorization=TOKEN) == 401
    assert post("/new/upload") == 302
    assert post("/login") == 413
    assert post("/api/v1/jobs/images", Authorization=f"Bearer {token}") == 201
