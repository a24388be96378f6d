"""A TCP door in front of a server: open it passes everything on, shut it drops and refuses connections."""

import socket
import threading
from contextlib import suppress


class TcpGate:
    """Listens on a port of 127.0.0.1 and passes connections on to `target_port`."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._address = ("127.0.0.1", 0)
        self._connections: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.open()
        self.port = self._address[1]

    def open(self) -> None:
        listener = socket.create_server(self._address)
        self._address = listener.getsockname()
        self._listener = listener
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()

    def shut(self) -> None:
        if self._listener is not None:
            # close() alone would leave the accepting thread with the port
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                inner, _ = listener.accept()
                outer = socket.create_connection(self._target)
                self._connections += [inner, outer]
                for source, sink in ((inner, outer), (outer, inner)):
                    threading.Thread(target=_pump, args=[source, sink], daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError), source, sink:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)
