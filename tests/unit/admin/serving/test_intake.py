"""What the server takes in of a body before the app has looked who sends it."""

import errno
import gc
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from admin.domain import accounts, sessions, tokens
from admin.domain.roles import Role
from admin.serving import connections, intake
from admin.web.guard.security import FORM_BYTES
from shared.config import Settings
from shared.errors import DatabaseUnavailable
from shared.services import Services
from tests.unit.admin.conftest import Browser
from tests.unit.admin.serving.wire import ask, connect, head, read_answer

API, PAGE = "/api/v1/jobs/images", "/new/upload"
LARGE = 3 * FORM_BYTES
MADE_UP = "Authorization: Bearer dln_" + "A" * 43
BOUNDARY = "of-the-test"


def form(files: int, size: int) -> bytes:
    body = io.BytesIO()
    for number in range(files):
        body.write(
            b'--%b\r\nContent-Disposition: form-data; name="images"; filename="%d.png"\r\n\r\n%b\r\n'
            % (BOUNDARY.encode(), number, bytes(size))
        )
    body.write(b"--%b--\r\n" % BOUNDARY.encode())
    return body.getvalue()


def upload_head(path: str, *headers: str, size: int = LARGE, chunked: bool = False) -> bytes:
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    return head("POST", path, length, f"Content-Type: multipart/form-data; boundary={BOUNDARY}", *headers)


def cookie_of(browser: Browser) -> str:
    name = browser.client.application.config["SESSION_COOKIE_NAME"]
    found = browser.client.get_cookie(name)
    assert found is not None
    return f"Cookie: other=1; {name}={found.value}"


@pytest.fixture
def token(services: Services) -> str:
    return f"Authorization: Bearer {tokens.create(services.database, 'ana', 'script', Role.OPERATOR)}"


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("chunked", [False, True])
def test_of_a_strangers_body_nothing_is_read(port: int, stranger: Browser, chunked: bool) -> None:
    stranger.token("/login")  # it has a session, which is nobody's
    for path, headers, status in (
        (API, [], 401), (API, [MADE_UP], 401), (API, ["Authorization: Basic YW5hOng="], 401),
        (PAGE, [], 302), (PAGE, [cookie_of(stranger)], 302),
        (PAGE, ["Cookie: delineate=eyJfdXNlcl9pZCI6ImFuYSJ9.aaaaaa.aaaa"], 302),
    ):  # fmt: skip
        # Not one byte of the body is sent: the answer does not wait for it.
        assert ask(port, upload_head(path, *headers, chunked=chunked))[0] == status


def test_a_body_on_another_route_is_refused_at_its_head(port: int, browser: Browser, token: str) -> None:
    browser.get("/")
    length = f"Content-Length: {LARGE}"
    status, answer = ask(port, head("POST", "/api/v1/jobs/synthetic", token, length))
    assert status == 413
    assert b"application/problem+json" in answer
    assert b"at most 1 MiB" in answer
    assert ask(port, head("POST", "/api/v1/jobs/synthetic", MADE_UP, length))[0] == 401
    assert ask(port, head("POST", "/login", length))[0] == 413
    assert ask(port, head("POST", "/nothing", cookie_of(browser), length))[0] == 413
    chunked = head("POST", "/login", "Transfer-Encoding: chunked")
    assert ask(port, chunked, *[b"10000\r\n%b\r\n" % bytes(2**16)] * 20)[0] == 413


def test_an_upload_over_the_limit_is_refused_at_its_head_in_the_form_of_its_route(
    port: int, browser: Browser, token: str, settings: Settings
) -> None:
    browser.get("/")
    size = settings.max_upload_bytes + 1
    status, answer = ask(port, upload_head(API, token, size=size))
    assert status == 413
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert "at most 4 MiB" in problem["detail"]
    status, answer = ask(port, upload_head(PAGE, cookie_of(browser), size=size))
    assert status == 413
    assert b"at most 4 MiB" in answer
    assert b"<!doctype html>" in answer
    for digits in (25, 4000):
        assert ask(port, upload_head(API, token, size=10**digits))[0] == 413


def test_who_may_not_upload_is_told_without_the_body(
    app: Flask, port: int, browser: Browser, services: Services
) -> None:
    accounts.add(services.database, "vic", "words that vic knows", Role.VIEWER)
    viewer = tokens.create(services.database, "vic", "script", Role.VIEWER)
    assert ask(port, upload_head(API, f"Authorization: Bearer {viewer}"))[0] == 403
    browser.get("/")
    cookie = cookie_of(browser)
    sessions.end_others(services.database, "ana")
    assert ask(port, upload_head(PAGE, cookie))[0] == 302


@pytest.mark.parametrize("expects", [[], ["Expect: 100-continue"]])
def test_an_operators_upload_is_taken(
    port: int, browser: Browser, services: Services, settings: Settings, token: str, expects: list[str]
) -> None:
    body = form(8, settings.max_source_bytes)
    assert len(body) > FORM_BYTES
    sent = upload_head(API, token, "Connection: close", *expects, size=len(body))
    with connect(port) as connection:
        connection.sendall(sent)
        if expects:
            assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        status, answer = read_answer(connection)
    assert status == 201
    job = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert job["counts"]["total"] == 8
    chunks = [b"%x\r\n%b\r\n" % (len(block), block) for block in (body[:1000], body[1000:])]
    sent = upload_head(API, token, "Connection: close", chunked=True)
    assert ask(port, sent, *chunks, b"0\r\n\r\n")[0] == 201


def test_each_account_has_so_many_uploads_at_once(
    port: int, services: Services, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_OF_ACCOUNT", 2)
    accounts.add(services.database, "op", "words that op knows", Role.OPERATOR)
    other = f"Authorization: Bearer {tokens.create(services.database, 'op', 'script', Role.OPERATOR)}"
    # Strangers take no place, however many they are.
    strangers = [connect(port) for _ in range(5)]
    for stranger in strangers:
        stranger.sendall(upload_head(API, MADE_UP))
    going_on = [connect(port) for _ in range(2)]
    for connection in going_on:
        connection.sendall(upload_head(API, token, "Expect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
    status, answer = ask(port, upload_head(API, token))
    assert status == 503
    assert b"Retry-After: 5" in answer
    assert b"application/problem+json" in answer
    with connect(port) as connection:
        connection.sendall(upload_head(API, other, "Expect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
    for connection in going_on + strangers:
        connection.close()

    def is_free() -> bool:
        gc.collect()
        with connect(port) as connection:
            connection.sendall(upload_head(API, token, "Expect: 100-continue"))
            return connection.recv(100).startswith(b"HTTP/1.1 100")

    eventually(is_free)


def test_a_database_that_is_away_takes_no_body(
    port: int, token: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_arguments: object) -> None:
        raise DatabaseUnavailable("no answer from db.internal:5432")

    monkeypatch.setattr(type(services.database), "read", away)
    assert ask(port, upload_head(API, token))[0] == 503


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head("POST", "/login", "Content-Length: " + "9" * 5000), 400),
        (head("POST", "/login", "Content-Length: 3", "Transfer-Encoding: chunked"), 400),
        (head("POST", "/login", "Content-Length: 3, 3"), 400),
        (head("GET", "/login", host=None), 400),
        (head("GET", "/login", "Host: other"), 400),
        (head("GET", "/login", host="a b"), 400),
        (b"GET /login HTTP/1.0\r\n\r\n", 200),
        (b"nonsense\r\n\r\n", 400),
        (head("GET", "/login", "X: " + "x" * 300_000), 431),
        (head("POST", "/api/v1/jobs/synthetic", "Transfer-Encoding: gzip"), 501),
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_answered_and_its_connection_closed(
    port: int, request_head: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(port, request_head)[0] == status
    assert "Traceback" not in caplog.text


def test_what_follows_a_refused_head_is_no_request(port: int, caplog: pytest.LogCaptureFixture) -> None:
    smuggled = head("GET", "/health/live", "Connection: close")
    for first in (
        head("POST", "/login", f"Content-Length: {LARGE}"),
        head("POST", "/login", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    ):
        _status, answer = ask(port, first + smuggled)
        assert answer.count(b"HTTP/1.1 ") == 1


def test_what_is_still_sent_of_a_refused_body_is_thrown_away(port: int, tmp_path: Path) -> None:
    # As a browser does: it sends all of its body, and then reads.
    status, answer = ask(port, head("POST", "/login", f"Content-Length: {8 * LARGE}"), *[bytes(LARGE)] * 8)
    assert status == 413
    assert b"at most 1 MiB" in answer
    assert connections.LINGER_SECONDS > 0


@pytest.mark.parametrize("path", [API, PAGE])
def test_an_upload_that_finds_no_room_is_told(
    port: int, browser: Browser, token: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def full(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    browser.get("/")
    monkeypatch.setattr("waitress.buffers.TempfileBasedBuffer.__init__", full)
    sender = token if path == API else cookie_of(browser)
    status, answer = ask(port, upload_head(path, sender), *[bytes(2**16)] * (LARGE // 2**16))
    assert status == 507
    assert b"no room" in answer


def test_a_form_whose_files_find_no_room_is_told(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_more: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    token = browser.token("/new/upload")
    monkeypatch.setattr("werkzeug.formparser.FormDataParser.parse", full)
    answer = browser.client.post("/new/upload", data={"csrf_token": token, "images": (io.BytesIO(b"x"), "a.png")})
    assert answer.status_code == 507
    assert "no room" in answer.text


def test_what_the_app_is_not_called_with_has_an_id_too(port: int) -> None:
    status, answer = ask(port, head("GET", "/api/v1/jobs", "Content-Length: 3, 3"))
    headers, _, body = answer.partition(b"\r\n\r\n")
    assert status == 400
    assert f"x-request-id: {json.loads(body)['request_id']}" in headers.decode().lower()
