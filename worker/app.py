"""How Celery starts and stops a worker process.

python -m worker
celery -A worker.app worker --without-gossip --without-mingle    # the same, with Celery's own options
"""

import os
import sys
import warnings
from contextlib import suppress

import celery.apps.worker
from celery import Celery, signals
from celery.platforms import SecurityWarning

from shared.config import Settings, load_settings
from shared.errors import CheckpointError, ConfigurationError, Retryable
from shared.logs import json_line, log_uncaught, setup_logging
from worker.process import Load, WorkerProcess
from worker.tasks import register_tasks
from worker.watchdog import EXIT_STUCK

EXIT_UNUSABLE = 2  # a setting or the checkpoint cannot work: starting again changes nothing


def create_app(settings: Settings, load: Load | None = None) -> Celery:
    """Return the Celery application of a worker; its model is loaded, by `load`, when Celery's worker starts.

    Raises:
        ConfigurationError: a setting that cannot be one.
    """
    process = WorkerProcess(settings, load)
    app = process.services.queue.celery
    app.conf.update(worker_concurrency=settings.worker_concurrency, worker_redirect_stdouts=False)
    register_tasks(app, process.process_shard)

    def start(**_: object) -> None:
        try:
            process.start()
        except (ConfigurationError, CheckpointError) as error:
            print(f"error: {error}", file=sys.stderr)
            # Celery logs what a signal's receiver raises and goes on; this alone it lets through.
            raise SystemExit(EXIT_UNUSABLE) from error
        except Retryable as error:  # the device: it is full, or failed; both may be over by the next start
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(EXIT_STUCK) from error

    # Celery warns of running as root, since pickled messages could then do anything. Here they are JSON of ids.
    warnings.simplefilter("ignore", SecurityWarning)
    # weak=False: nobody else keeps these functions.
    signals.setup_logging.connect(lambda **_: _start_logging(settings.log_level), weak=False)
    signals.celeryd_init.connect(start, weak=False)
    signals.worker_shutting_down.connect(lambda **_: process.stop_claiming(), weak=False)
    signals.worker_shutdown.connect(lambda **_: process.stop(), weak=False)
    return app


def _start_logging(level: str) -> None:
    setup_logging(level)
    log_uncaught()
    if not sys.stderr.isatty():
        # What Celery says in its signal handlers goes past the log.
        celery.apps.worker.safe_say = _say


def _say(message: str, _stream: object = None) -> None:
    with suppress(OSError):
        # One call of the system's, as a signal handler may come in the middle of another line.
        os.write(2, f"{json_line('INFO', 'celery.apps.worker', message)}\n".encode())


def __getattr__(name: str) -> Celery:
    """`app`, for Celery's command line; made when asked for, so that importing this module reads no settings."""
    if name == "app":
        return create_app(load_settings())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
