"""A small HTTP server beside the work of a process that has none: its metrics and its health on METRICS_PORT.

/health/live     200 while the process moves, 503 when it should be started afresh
/health/ready    200 while it can work; the body names the parts: {"ready": false, "model": true, "queue": false, …}
/metrics         for Prometheus; asks for METRICS_TOKEN where one is set

The admin has the same three addresses on its own port.
"""

import hmac
import ipaddress
import json
import logging
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from pydantic import SecretStr

from shared.config import Settings
from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

_JSON = "application/json"
_CLIENT_TIMEOUT_SECONDS = 10


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True  # a client that stays connected holds nobody up

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - socketserver's names
        """Log it: a client that hangs up or says nothing is no traceback on standard error."""
        log.debug("no answer to %s", client_address, exc_info=True, extra={"action": "client_gone"})


class _Handler(WSGIRequestHandler):
    timeout = _CLIENT_TIMEOUT_SECONDS

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a line for each scrape would drown the log."""


class MonitoringServer:
    """Answers from its making until `close`.

    Args:
        settings: METRICS_HOST, METRICS_PORT and METRICS_TOKEN.
        live: whether the process moves; asked for each request, so it has to be quick.
        ready: the parts that the process needs, and whether each is there.
        registry: the metrics to show.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        live: Callable[[], bool],
        ready: Callable[[], dict[str, bool]],
        registry: Collector = REGISTRY,
    ) -> None:
        """Take the port.

        Raises:
            ConfigurationError: the address cannot be used, or is not this machine's own while there is no token.
        """
        self._token = settings.metrics_token
        self._live = live
        self._ready = ready
        self._registry = registry
        host, port = settings.metrics_host, settings.metrics_port
        if self._token is None and not _is_loopback(host):
            raise ConfigurationError(f"METRICS_HOST {host} can be reached by others: set METRICS_TOKEN as well")
        try:
            self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Handler)
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"cannot listen on {host}:{port}, set METRICS_HOST and METRICS_PORT: {error}"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="monitoring", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        headers: list[tuple[str, str]] = []
        match environ.get("PATH_INFO", ""):
            case "/health/live":
                live = self._live()
                status, body, content_type = _status(live), json.dumps({"live": live}).encode(), _JSON
            case "/health/ready":
                parts = self._ready()
                ready = all(parts.values())
                status, body, content_type = _status(ready), json.dumps({"ready": ready} | parts).encode(), _JSON
            case "/metrics" if self._token is None or may_read(environ.get("HTTP_AUTHORIZATION", ""), self._token):
                body, content_type = exposition(environ.get("HTTP_ACCEPT", ""), self._registry)
                status = HTTPStatus.OK
            case "/metrics":
                status, body, content_type = HTTPStatus.UNAUTHORIZED, b"", "text/plain"
                headers = [("WWW-Authenticate", "Bearer")]
            case _:
                status, body, content_type = HTTPStatus.NOT_FOUND, b"", "text/plain"
        headers += [("Content-Type", content_type), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]


def exposition(accept: str, registry: Collector = REGISTRY) -> tuple[bytes, str]:
    """Return the metrics in the text format that the Accept header asks for, and its content type."""
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def may_read(authorization: str, token: SecretStr) -> bool:
    """Whether an Authorization header is `Bearer` and the token."""
    scheme, _, given = authorization.partition(" ")
    expected = token.get_secret_value().encode()
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), expected)


def _status(good: bool) -> HTTPStatus:
    return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
