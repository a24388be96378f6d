"""The server beside a process's work, and what it says about the services."""

import json
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shared.config import load_settings
from shared.errors import ConfigurationError, StoreUnavailable
from shared.health import Readiness
from shared.monitoring import MonitoringServer, _Server

TOKEN = "a token of some length"

Start = Callable[..., MonitoringServer]

ALL_WELL = {"database": True, "queue": True, "store": True, "temporary_files": True}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    servers: list[MonitoringServer] = []

    def start(*, live: bool = True, parts: dict[str, bool] | None = None, **settings: Any) -> MonitoringServer:
        values = {"delineate_home": tmp_path, "metrics_port": 0, "metrics_token": None} | settings
        server = MonitoringServer(load_settings(**values), live=lambda: live, ready=lambda: parts or {})
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


def get(server: MonitoringServer, path: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(("live", "status"), [(True, 200), (False, 503)])
def test_live(start: Start, live: bool, status: int):
    assert get(start(live=live), "/health/live") == (status, json.dumps({"live": live}))


@pytest.mark.parametrize(("model", "status"), [(True, 200), (False, 503)])
def test_ready_when_every_part_is_there(start: Start, model: bool, status: int):
    code, body = get(start(parts={"database": True, "model": model}), "/health/ready")
    assert (code, json.loads(body)) == (status, {"ready": model, "database": True, "model": model})


def test_a_client_that_hangs_up_leaves_no_traceback(
    start: Start, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    noticed = threading.Event()
    handle = _Server.handle_error

    def handle_error(*arguments: Any) -> None:
        handle(*arguments)
        noticed.set()

    monkeypatch.setattr(_Server, "handle_error", handle_error)
    server = start()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets it
    assert noticed.wait(60)
    assert capfd.readouterr().err == ""
    assert get(server, "/health/live")[0] == 200


def test_metrics_of_this_machine_need_no_token(start: Start):
    code, body = get(start(), "/metrics")
    assert code == 200
    assert "\ndelineate_images_total{" in body


def test_with_a_token_metrics_are_for_its_holder_and_health_for_all(start: Start):
    server = start(metrics_token=TOKEN)
    assert get(server, "/metrics") == (401, "")
    assert get(server, "/metrics", Authorization="Bearer another of some length") == (401, "")
    assert get(server, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert get(server, "/health/live")[0] == 200


@pytest.mark.parametrize("path", ["/", "/metrics/", "/health", "/../etc/passwd"])
def test_nothing_else_is_there(start: Start, path: str):
    assert get(start(), path) == (404, "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_address_that_others_reach_needs_a_token(start: Start, host: str):
    with pytest.raises(ConfigurationError, match="set METRICS_TOKEN as well"):
        start(metrics_host=host)


def test_a_taken_port_is_named_with_its_setting(start: Start):
    port = start().port
    with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}, set METRICS_HOST and METR"):
        start(metrics_port=port)


class Service:
    """Counts how often it was asked whether it is there."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    def check(self) -> None:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("no answer from s3.internal")


def readiness(kept: float) -> tuple[Readiness, Service]:
    store = Service()
    services = SimpleNamespace(database=Service(), queue=Service(), store=store)
    return Readiness(services, kept=kept), store  # type: ignore[arg-type]


def test_however_many_ask_the_services_are_asked_once():
    asking, store = readiness(kept=3600)
    assert asking.answers() == asking.answers() == ALL_WELL
    assert store.asked == 1


def test_an_outage_is_told_at_the_next_question_and_logged_once(caplog: pytest.LogCaptureFixture):
    asking, store = readiness(kept=-1)
    assert asking.answers()["store"]
    store.away = True
    assert asking.answers() == asking.answers() == {**ALL_WELL, "store": False}
    assert caplog.text.count("store: no answer from s3.internal") == 1
    store.away = False
    assert asking.answers()["store"]
