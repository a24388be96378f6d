"""A server on a real socket."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from flask import Flask

from admin.serving.server import WebServer
from shared.config import Settings


@contextmanager
def served(app: Flask, settings: Settings) -> Iterator[int]:
    """Serve an app in a thread; gives the port."""
    server = WebServer(app, settings)
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    try:
        yield server.port
    finally:
        listener = server._server
        deadline = time.monotonic() + 60
        while listener.active_channels:
            assert time.monotonic() < deadline
            listener.trigger.pull_trigger(lambda: [channel.end() for channel in listener.active_channels.values()])
            time.sleep(0.01)
        # Its loop ends when nothing is left to listen to. Woken by something else, it may have closed before this.
        with suppress(OSError):
            listener.trigger.pull_trigger(listener.close)
        running.join(60)
        assert not running.is_alive()


@pytest.fixture
def port(app: Flask, settings: Settings) -> Iterator[int]:
    with served(app, settings) as port:
        yield port
