"""HTTP by hand: what no client library would send, and answers as they come."""

import socket
from contextlib import suppress


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def head(method: str, path: str, *headers: str, host: str | None = "localhost") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *([f"Host: {host}"] if host else []), *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    """The status and everything behind it until the server closes; 0 where it closes without a word."""
    answer = b""
    with suppress(ConnectionResetError):
        while block := connection.recv(2**16):
            answer += block
    return (int(answer.split(b" ", 2)[1]) if answer else 0), answer


def ask(port: int, *sent: bytes) -> tuple[int, bytes]:
    """Send blocks on a connection of their own and read the answer."""
    with connect(port) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            for block in sent:
                connection.sendall(block)
        return read_answer(connection)


def is_closed(connection: socket.socket) -> bool:
    """Wait until the server has closed the connection."""
    with suppress(ConnectionResetError, BrokenPipeError):
        while connection.recv(2**16):
            pass
    return True
