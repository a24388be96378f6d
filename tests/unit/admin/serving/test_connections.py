"""How long a connection may take, and how many there may be; that pages and health answer meanwhile."""

import socket
import threading
from collections.abc import Iterator

import pytest
from flask import Flask

from admin.domain import accounts, tokens
from admin.domain.roles import Role
from admin.serving import connections, lanes, server
from admin.serving.lanes import LANES, lane_of
from shared.config import Settings
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.serving.conftest import served
from tests.unit.admin.serving.wire import ask, connect, head, is_closed

LIVE = head("GET", "/health/live", "Connection: close")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines of a moment, looked at all the time."""
    monkeypatch.setattr(server, "_LOOKED_AFTER_EVERY_SECONDS", 0)
    for name in ("HEADER_SECONDS", "BODY_SECONDS", "RATE_SECONDS", "LINGER_SECONDS"):
        monkeypatch.setattr(connections, name, 0.3)


@pytest.mark.parametrize(
    "sent",
    [
        b"", b"GET / HT", head("POST", "/login", "Content-Length: 100"),
        head("POST", "/login", "Content-Length: 100") + b"x" * 50,
        head("POST", "/login", "Content-Length: 100000000"),
    ],
)  # fmt: skip
def test_who_does_not_go_on_is_hung_up_on(
    app: Flask, settings: Settings, hurried: None, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(server, "_IDLE_SECONDS", 0)
    with served(app, settings) as port, connect(port) as connection:
        connection.sendall(sent)
        assert is_closed(connection)


def test_a_byte_now_and_then_is_not_going_on(app: Flask, settings: Settings, hurried: None) -> None:
    with served(app, settings) as port, connect(port) as connection:
        connection.sendall(head("GET", "/")[:-2])
        connection.settimeout(0.05)
        for _ in range(1000):
            try:
                connection.sendall(b"X: y\r\n")
                if connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                break
        else:
            pytest.fail("it was never hung up on")


def test_an_upload_that_stands_still_ends(app: Flask, settings: Settings, services: Services, hurried: None) -> None:
    token = f"Authorization: Bearer {tokens.create(services.database, 'ana', 'script', Role.OPERATOR)}"
    with served(app, settings) as port, connect(port) as connection:
        connection.sendall(head("POST", "/api/v1/jobs/images", token, "Content-Length: 3000000"))
        assert is_closed(connection)


@pytest.fixture
def slow_readers(app: Flask, settings: Settings, services: Services) -> Iterator[tuple[int, str, list[socket.socket]]]:
    """A viewer who asks for a zip on more connections than the server has threads, and reads nothing."""
    job = submit_synthetic(services, SyntheticSpec(8), name="job", submitted_by="ana")
    simulated_worker.process(services, job)
    for item in services.repository.items(job, limit=8):
        services.store.put(item.source_key or "", bytes(8 * 2**20))
    accounts.add(services.database, "vic", "words that vic knows", Role.VIEWER)
    token = f"Authorization: Bearer {tokens.create(services.database, 'vic', 'script', Role.VIEWER)}"
    with served(app, settings) as port:
        readers = []
        for _ in range(lanes.THREADS + 2):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", port))
            connection.settimeout(60)
            connection.sendall(head("GET", f"/api/v1/jobs/{job}/results.zip", token))
            readers.append(connection)
        yield port, job, readers
        for connection in readers:
            connection.close()


def test_readers_who_take_nothing_hold_no_page(slow_readers: tuple[int, str, list[socket.socket]]) -> None:
    port, _job, readers = slow_readers
    for _ in range(3):
        assert ask(port, LIVE)[0] == 200
        assert ask(port, head("GET", "/health/ready", "Connection: close"))[0] == 200
        assert ask(port, head("GET", "/login", "Connection: close"))[0] == 200
    # Two are served, the others are told at once to come back.
    answers = [reader.recv(12) for reader in readers]
    assert answers.count(b"HTTP/1.1 200") == 2
    assert answers.count(b"HTTP/1.1 503") == len(readers) - 2


def test_readers_who_take_nothing_lose_their_places(
    hurried: None, slow_readers: tuple[int, str, list[socket.socket]], services: Services
) -> None:
    port, job, _readers = slow_readers
    token = f"Authorization: Bearer {tokens.create(services.database, 'vic', 'more', Role.VIEWER)}"
    for _ in range(600):
        status = ask(port, head("HEAD", f"/api/v1/jobs/{job}/results.zip", token, "Connection: close"))[0]
        if status == 200:
            return
        threading.Event().wait(0.1)
    pytest.fail("the places of readers that are gone stay taken")


def test_the_connection_that_waits_the_longest_makes_room(
    app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_OF_ADDRESS", 5)
    with served(app, settings) as port:
        idle = [connect(port) for _ in range(20)]
        for connection in idle:
            connection.sendall(b"GET / HT")
        assert ask(port, LIVE)[0] == 200
        assert all(is_closed(connection) for connection in idle[:15])
        for connection in idle:
            connection.close()


def test_behind_a_proxy_all_connections_are_the_proxys(
    app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_OF_ADDRESS", 2)
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 10)
    with served(app, settings.model_copy(update={"admin_trusted_proxies": 1})) as port:
        idle = [connect(port) for _ in range(8)]
        assert ask(port, LIVE)[0] == 200
        for connection in idle:
            connection.sendall(LIVE)
            assert connection.recv(12) == b"HTTP/1.1 200"
        more = [connect(port) for _ in range(30)]
        assert ask(port, LIVE)[0] == 200
        for connection in idle + more:
            connection.close()


def test_what_is_slow_has_a_lane_of_its_own() -> None:
    assert lane_of("GET", "/health/live") == "live"
    assert lane_of("GET", "/metrics") == lane_of("GET", "/health/ready") == "ready"
    assert lane_of("GET", "/items/x/source.png") == "pictures"
    for path in ("/jobs/x/results.zip", "/api/v1/jobs/x/results.zip", "/api/v1/items/x/files/mask"):
        assert lane_of("GET", path) == "downloads"
    for path in ("/new/upload", "/new/synthetic", "/api/v1/jobs/images", "/api/v1/jobs/synthetic"):
        assert (lane_of("POST", path), lane_of("GET", path)) == ("submissions", "pages")
    for path in ("/login", "/account/password", "/tokens"):
        assert (lane_of("POST", path), lane_of("GET", path)) == ("passwords", "pages")
    assert lane_of("GET", "/") == lane_of("POST", "/jobs/x/cancel") == "pages"


def test_a_lane_with_too_much_waiting_refuses_at_once(
    app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, goes_on = threading.Semaphore(0), threading.Event()

    def verify(*_arguments: object) -> None:
        entered.release()
        goes_on.wait(60)

    monkeypatch.setattr(accounts, "verify", verify)
    app.config["WTF_CSRF_ENABLED"] = False
    body = b"name=ana&password=x"
    login = head("POST", "/login", f"Content-Length: {len(body)}", "Content-Type: application/x-www-form-urlencoded",
                 "Connection: close") + body  # fmt: skip
    with served(app, settings) as port:
        held = [connect(port) for _ in range(LANES["passwords"].threads)]
        for connection in held:
            connection.sendall(login)
            assert entered.acquire(timeout=60)
        waiting = [connect(port) for _ in range(LANES["passwords"].waiting)]
        for connection in waiting:
            connection.sendall(login)
        for _ in range(600):
            status, answer = ask(port, login)
            if status == 503:
                break
        assert status == 503
        assert b"Retry-After: 5" in answer
        assert ask(port, LIVE)[0] == ask(port, head("GET", "/login", "Connection: close"))[0] == 200
        goes_on.set()
        for connection in held + waiting:
            assert connection.recv(12)[9:] in (b"401", b"429")
            connection.close()
