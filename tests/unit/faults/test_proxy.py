"""The proxy does to connections what its modes say, and each is healed by opening it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.proxy import Mode, Proxy

SOON = 0.3  # long enough for an answer that comes, on 127.0.0.1
PATIENCE = 60.0


class Echo:
    """A server that sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.hears = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def wait_for(self, data: bytes) -> bool:
        with self.hears:
            return self.hears.wait_for(lambda: data in self.heard, PATIENCE)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=[connection], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while data := connection.recv(65536):
                with self.hears:
                    self.heard += data
                    self.hears.notify_all()
                connection.sendall(data)


@pytest.fixture
def server() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


@pytest.fixture
def proxy(server: Echo) -> Iterator[Proxy]:
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE)


def answers(connection: socket.socket, data: bytes = b"ping") -> bool:
    connection.sendall(data)
    return connection.recv(len(data)) == data


def is_reset(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("mode", [Mode.OPEN, Mode.SLOW])
def test_open_and_slow_pass_everything_on(proxy: Proxy, mode: Mode):
    proxy.set(mode)
    with connected(proxy) as connection:
        assert answers(connection)
        payload = bytes(range(256)) * 2000
        connection.sendall(payload)
        received = bytearray()
        while len(received) < len(payload):
            received += connection.recv(65536)
        assert received == payload


def test_away_drops_and_refuses_until_it_is_back_on_the_same_port(proxy: Proxy):
    with connected(proxy) as connection:
        assert answers(connection)
        proxy.set(Mode.AWAY)
        assert is_reset(connection)
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.set(Mode.OPEN)
    with connected(proxy) as connection:
        assert answers(connection)


@pytest.mark.parametrize(("mode", "arrives"), [(Mode.BLACK_HOLE, False), (Mode.MUTE, True)])
def test_what_is_not_answered_is_reset_in_the_end(proxy: Proxy, server: Echo, mode: Mode, arrives: bool):
    with connected(proxy) as old:
        assert answers(old)
        proxy.set(mode)
        with connected(proxy) as new:
            for connection in (old, new):
                connection.sendall(b"request")
                connection.settimeout(SOON)
                with pytest.raises(TimeoutError):
                    connection.recv(1)
                connection.settimeout(PATIENCE)
            assert (server.wait_for(b"request") if arrives else b"request" in server.heard) is arrives
            proxy.set(Mode.OPEN)
            assert is_reset(old)
            assert is_reset(new)
    with connected(proxy) as connection:
        assert answers(connection)


def test_http_500_answers_without_the_server(proxy: Proxy, server: Echo):
    proxy.set(Mode.HTTP_500)
    with connected(proxy) as connection:
        connection.sendall(b"PUT /key HTTP/1.1\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000)
        assert connection.recv(65536).startswith(b"HTTP/1.1 500 ")
    assert not server.heard
    proxy.set(Mode.OPEN)
    with connected(proxy) as connection:
        assert answers(connection)


def test_a_server_that_is_not_there_ends_the_connection(proxy: Proxy, server: Echo):
    server.close()
    with connected(proxy) as connection:
        assert is_reset(connection)
