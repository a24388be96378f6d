"""Run a worker until SIGTERM or Ctrl-C: `python -m worker`. Its settings are the environment's."""

import os
import signal
import socket
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.version import code_version

if TYPE_CHECKING:
    from worker.process import Load

_HELP = """\
usage: python -m worker [--help] [--version]

Runs a worker until SIGTERM or Ctrl-C; what is in work is finished first. It has no options: all that can be chosen is a
setting of the environment or of .env, such as WORKER_DEVICE, MODEL_PATH and BATCH_SIZE (docs/settings.md has them all).

Exit codes:
  0    ended as asked
  2    a wrong setting, or weights that cannot be used
  70   ended by its watchdog, or by a device that is lost: start it again"""


def main(load: "Load | None" = None) -> int:
    """Run a worker; return 0 after a stop that was asked for, 2 where a setting or the checkpoint cannot work.

    Args:
        load: makes its networks ready in place of `Predictor.load`.
    """
    # Until Celery puts its own handlers there: as process 1 of a container a signal without one is ignored.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Here, so that --help and --version need none of them.
    from celery.exceptions import SecurityWarning

    from shared.config import load_settings
    from shared.db.tables.base import new_id
    from shared.errors import ConfigurationError
    from shared.logs import setup_logging
    from worker.app import EXIT_UNUSABLE, create_app

    # Celery warns root of pickled messages at length; ours are JSON alone.
    warnings.simplefilter("ignore", SecurityWarning)
    try:
        settings = load_settings()
        setup_logging(settings.log_level)
        app = create_app(settings, load)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
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


def _answered(arguments: Sequence[str]) -> int | None:
    """Answer a question of the command line and return the exit code, or None where a worker is asked for."""
    match arguments:
        case []:
            return None
        case ["-h" | "--help", *_]:
            print(_HELP)
            return os.EX_OK
        case ["--version", *_]:
            print(f"worker, version {code_version()}")
            return os.EX_OK
    print(
        f"error: a worker takes no arguments, as {arguments[0]!r} is one: its settings are variables", file=sys.stderr
    )
    return 2


if __name__ == "__main__":
    code = _answered(sys.argv[1:])
    sys.exit(main() if code is None else code)
