import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from admin.standalone.broker import broker_command, stop_strayed_broker

PATIENCE = 60.0


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path, which may be longer than the path of a socket can be.
    with tempfile.TemporaryDirectory(prefix="with space 'and quotes'") as folder:
        yield Path(folder)


@pytest.fixture
def broker(folder: Path) -> Iterator[redis.Redis]:
    """A running broker; its socket is `folder/broker.sock`."""
    process = subprocess.Popen(broker_command(folder / "broker.sock", folder), stdout=subprocess.DEVNULL)
    with redis.Redis(unix_socket_path=str(folder / "broker.sock"), decode_responses=True) as client:
        wait_for(client)
        yield client
    process.terminate()
    assert process.wait(PATIENCE) == 0


def wait_for(client: redis.Redis) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            client.ping()
            return
        except redis.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_it_keeps_its_data_and_never_drops_any(broker: redis.Redis):
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
    assert {name: broker.config_get(name)[name] for name in wanted} == wanted


def test_it_listens_on_a_socket_of_the_users_alone(broker: redis.Redis, folder: Path):
    assert broker.config_get("port") == {"port": "0"}
    assert (folder / "broker.sock").stat().st_mode & 0o777 == 0o700


def test_what_was_sent_survives_a_restart(folder: Path):
    for _start in range(2):
        process = subprocess.Popen(broker_command(folder / "broker.sock", folder), stdout=subprocess.DEVNULL)
        with redis.Redis(unix_socket_path=str(folder / "broker.sock")) as client:
            wait_for(client)
            client.rpush("queue", "message")
            length = client.llen("queue")
        process.terminate()
        process.wait(PATIENCE)
    assert length == 2


def test_a_strayed_broker_is_stopped(broker: redis.Redis, folder: Path):
    assert stop_strayed_broker(folder / "broker.sock")
    assert not (folder / "broker.sock").exists()
    with pytest.raises(redis.ConnectionError):
        broker.ping()


def test_a_dead_socket_is_no_broker(folder: Path):
    process = subprocess.Popen(broker_command(folder / "broker.sock", folder), stdout=subprocess.DEVNULL)
    with redis.Redis(unix_socket_path=str(folder / "broker.sock")) as client:
        wait_for(client)
    process.kill()
    process.wait()
    assert (folder / "broker.sock").exists()
    assert not stop_strayed_broker(folder / "broker.sock")
    assert not stop_strayed_broker(folder / "no.sock")
