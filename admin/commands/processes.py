"""What the long-running and one-off commands of `admin` do; `admin.cli` parses and prints."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import NoReturn

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from shared.confinement import hide_from_neighbours
from shared.errors import Retryable
from shared.health import Readiness
from shared.jobs.webhooks import Webhooks
from shared.logs import log_uncaught
from shared.monitoring import MonitoringServer
from shared.services import Services
from shared.temporary import check_temporary_folder
from shared.upkeep.reconciler import Reconciler
from shared.upkeep.webhooks import WebhookSender

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_SERVE_WAIT_SECONDS = 60.0


def serve(services: Services) -> None:
    """Serve the admin's pages and API until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: a setting cannot work, such as an address that is taken, or nobody could log in.
        Retryable: the database did not answer for a minute.
    """
    from admin.domain.accounts import ensure_first_account
    from admin.serving.app import create_app
    from admin.serving.server import WebServer
    from admin.web.context import DECODERS

    signal.signal(signal.SIGTERM, _leave)
    log_uncaught()
    hide_from_neighbours()
    check_temporary_folder()
    settings = services.settings
    app = create_app(settings, services)
    server = WebServer(app, settings)
    _until_available(lambda: ensure_first_account(settings, services.database), seconds=_SERVE_WAIT_SECONDS)
    log.info("admin listens on %s:%d", settings.admin_host, server.port, extra={"action": "admin_started"})
    try:
        server.run()
    finally:
        app.extensions[DECODERS].close()


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)  # the server closes its sockets on this


def reconcile(services: Services) -> None:
    """Run the reconciler until SIGTERM or SIGINT; services that are away are waited for."""
    stop = threading.Event()

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        # Not `stop.set()` here: the handler runs in the very thread that may hold the event's lock just now.
        threading.Thread(target=stop.set).start()

    signal.signal(signal.SIGTERM, request_stop)
    signal.signal(signal.SIGINT, request_stop)
    log_uncaught()
    hide_from_neighbours()
    reconciler = services.reconciler()
    # In a thread of its own: a receiver that is slow holds nothing up.
    sender = WebhookSender(Webhooks(services.database), private=services.settings.webhook_private_networks)
    threading.Thread(target=sender.run, args=(stop,), name="webhooks", daemon=True).start()
    with _monitored(services, reconciler):
        log.info("reconciler started", extra={"action": "reconciler_started"})
        reconciler.run(stop)


@contextmanager
def _monitored(services: Services, reconciler: Reconciler) -> Iterator[None]:
    """Answer monitors on METRICS_PORT, if it is set."""
    settings = services.settings
    if not settings.metrics_port:
        yield
        return
    server = MonitoringServer(settings, live=lambda: reconciler.is_live, ready=Readiness(services).answers)
    try:
        yield
    finally:
        server.close()


def prepare(services: Services, *, wait: float, pause: Callable[[float], None] = time.sleep) -> None:
    """Bring the database's schema to this version and make the bucket or folder; waits `wait` seconds for either.

    `pause` is called with a number of seconds between two tries.

    Raises:
        Retryable: no answer in that time.
        ConfigurationError: an answer that says no.
    """
    from shared.db.migrate import migrate

    deadline = time.monotonic() + wait
    for step in (partial(migrate, services.database), services.store.prepare):
        _until_available(step, seconds=deadline - time.monotonic(), pause=pause)


def _until_available(step: Callable[[], None], *, seconds: float, pause: Callable[[float], None] = time.sleep) -> None:
    Retrying(
        retry=retry_if_exception_type(Retryable),
        wait=wait_fixed(_RETRY_SECONDS),
        stop=stop_after_delay(seconds),
        before_sleep=_say_that_it_waits,
        sleep=pause,
        reraise=True,
    )(step)


def _say_that_it_waits(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.info("waiting: %s", error, extra={"action": "services_awaited"})
