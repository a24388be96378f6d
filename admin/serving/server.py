"""Waitress, set up for the admin: one process, threads for each kind of request, bounds on connections and bodies."""

import logging
import time
from typing import Any

import waitress
from flask import Flask
from waitress.server import BaseWSGIServer

from admin.serving import connections
from admin.serving.intake import Intake
from admin.serving.lanes import Lanes
from shared.config import Settings
from shared.errors import ConfigurationError

_LOOKED_AFTER_EVERY_SECONDS = 5
_IDLE_SECONDS = 60  # of a connection between two requests
_WAITING_BYTES = 2**20  # of one answer; whoever makes more of it waits
_UNBOUNDED = 2**62  # the intake bounds bodies by their route


class WebServer:
    """A server that listens on ADMIN_HOST and ADMIN_PORT from its making on, and answers while `run` runs."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        """Take the port.

        Raises:
            ConfigurationError: the address cannot be used.
        """
        # It warns of each request that waits for a thread, which is no fault.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._lanes = Lanes()
        sockets: dict[int, Any] = {}
        try:
            self._server: Any = waitress.create_server(
                app,
                map=sockets,
                _dispatcher=self._lanes.pages,
                host=settings.admin_host,
                port=settings.admin_port,
                threads=1,  # those of the lanes
                connection_limit=2 * connections.MAX_CONNECTIONS,  # before it, one of them makes room
                cleanup_interval=_LOOKED_AFTER_EVERY_SECONDS,
                channel_timeout=_IDLE_SECONDS,
                asyncore_use_poll=True,
                max_request_body_size=_UNBOUNDED,
                # An answer waits in memory for a slow client, a little at a time, and never in a temporary file.
                outbuf_high_watermark=_WAITING_BYTES,
                outbuf_overflow=_UNBOUNDED,
                # Otherwise waitress removes the X-Forwarded headers, and the app cannot see what the proxy says.
                clear_untrusted_proxy_headers=settings.admin_trusted_proxies == 0,
                ident=None,
            )
        except (OSError, ValueError) as error:
            self._lanes.close()
            address = f"{settings.admin_host}:{settings.admin_port}"
            raise ConfigurationError(f"cannot listen on {address}, set ADMIN_HOST and ADMIN_PORT: {error}") from error
        self._intake = intake = Intake(app)

        class Channel(connections.Channel):
            make_parser = intake.parser
            limit_addresses = settings.admin_trusted_proxies == 0

        for listener in sockets.values():
            if isinstance(listener, BaseWSGIServer):  # a name may have several addresses
                listener.channel_class = Channel
                listener.add_task = self._lanes.add
                _look_after_connections(listener)

    @property
    def port(self) -> int:
        """The port in use, also where ADMIN_PORT is 0."""
        several = getattr(self._server, "effective_listen", None)  # a name with several addresses
        return int(several[0][1] if several else self._server.effective_port)

    def run(self) -> None:
        """Answer requests until SystemExit or KeyboardInterrupt is raised in this thread."""
        try:
            self._server.run()
        finally:
            self._intake.close()
            self._lanes.close()


def _look_after_connections(listener: Any) -> None:
    close_idle = listener.maintenance

    def maintenance(now: float) -> None:
        close_idle(now)
        for channel in list(listener.active_channels.values()):
            channel.look_after(time.monotonic())

    listener.maintenance = maintenance
