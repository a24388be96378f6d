"""Run a worker until SIGTERM or Ctrl-C: `python -m worker`."""

import os
import signal
import socket
import sys
import warnings

from celery.exceptions import SecurityWarning

from shared.config import load_settings
from shared.db.tables import new_id
from shared.errors import ConfigurationError
from shared.logs import setup_logging
from worker.app import EXIT_UNUSABLE, create_app
from worker.process import Load


def main(load: Load | None = None) -> int:
    """Run a worker; return 0 after a stop that was asked for, 2 where a setting or the checkpoint cannot work.

    Args:
        load: makes its networks ready in place of `Predictor.load`.
    """
    # Until Celery puts its own handlers there: as process 1 of a container a signal without one is ignored.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Celery warns root of pickled messages at length; ours are JSON alone.
    warnings.simplefilter("ignore", SecurityWarning)
    try:
        settings = load_settings()
        setup_logging(settings.log_level)
        app = create_app(settings, load)
    except ConfigurationError as error:
        print(f"worker: {error}", file=sys.stderr)
        return EXIT_UNUSABLE
    worker = app.Worker(
        # Two workers of one name would take each other's control messages.
        hostname=f"{new_id()}@{socket.gethostname()}",
        # Workers need nothing of one another, and both cost messages and start-up time.
        without_gossip=True,
        without_mingle=True,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or os.EX_OK)


if __name__ == "__main__":
    sys.exit(main())
