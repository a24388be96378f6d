"""Waitress, set up for the admin: one process, some threads."""

import logging
from typing import Any

import waitress
from flask import Flask
from waitress.server import BaseWSGIServer

from admin.serving.intake import Intake
from admin.web.guard.security import FORM_BYTES
from shared.config import Settings
from shared.errors import ConfigurationError

# Each poll takes milliseconds; a download or an upload holds its thread for as long as it takes.
THREADS = 16


class WebServer:
    """A server that listens on ADMIN_HOST and ADMIN_PORT from its making on, and answers while `run` runs."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        """Take the port.

        Raises:
            ConfigurationError: the address cannot be used.
        """
        # It warns of each request that waits for a thread, which is no fault.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        sockets: dict[int, Any] = {}
        try:
            self._server: Any = waitress.create_server(
                app,
                map=sockets,
                host=settings.admin_host,
                port=settings.admin_port,
                threads=THREADS,
                # A little more than the app takes, which answers a larger upload with a page of its own.
                max_request_body_size=settings.max_upload_bytes + FORM_BYTES,
                # Otherwise waitress removes the X-Forwarded headers, and the app cannot see what the proxy says.
                clear_untrusted_proxy_headers=settings.admin_trusted_proxies == 0,
                ident=None,
            )
        except (OSError, ValueError) as error:
            address = f"{settings.admin_host}:{settings.admin_port}"
            raise ConfigurationError(f"cannot listen on {address}, set ADMIN_HOST and ADMIN_PORT: {error}") from error
        channel = Intake(app).channel()
        for listener in sockets.values():
            if isinstance(listener, BaseWSGIServer):  # a name may have several addresses
                listener.channel_class = channel

    @property
    def port(self) -> int:
        """The port in use, also where ADMIN_PORT is 0."""
        several = getattr(self._server, "effective_listen", None)  # a name with several addresses
        return int(several[0][1] if several else self._server.effective_port)

    def run(self) -> None:
        """Answer requests until SystemExit or KeyboardInterrupt is raised in this thread."""
        self._server.run()
