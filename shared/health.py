"""Whether a process can work: whether database, queue and object store answer it, and its temporary files have room."""

import logging
import threading
import time
from collections.abc import Callable

from shared.errors import DelineateError
from shared.services import Services
from shared.temporary import check_temporary_folder

log = logging.getLogger(__name__)

_KEPT_SECONDS = 2.0


class Readiness:
    """Asks the three services and the folder for temporary files, at most every two seconds.

    An outage is logged once, with its reason; whoever asks is told nothing but the part's name.
    """

    def __init__(self, services: Services, *, kept: float = _KEPT_SECONDS) -> None:
        self._services = services
        self._kept = kept
        self._lock = threading.Lock()
        self._answers: dict[str, bool] = {}
        self._asked_at = 0.0

    def answers(self) -> dict[str, bool]:
        """Return which of "database", "queue" and "store" answer, and whether "temporary_files" have room."""
        with self._lock:  # those who come while the services are asked wait for that answer
            if not self._answers or time.monotonic() - self._asked_at > self._kept:
                services = self._services
                self._answers = {
                    "database": self._answered("database", services.database.check),
                    "queue": self._answered("queue", services.queue.check),
                    "store": self._answered("store", services.store.check),
                    "temporary_files": self._answered("temporary_files", check_temporary_folder),
                }
                self._asked_at = time.monotonic()
            return dict(self._answers)

    def _answered(self, name: str, check: Callable[[], None]) -> bool:
        try:
            check()
        except DelineateError as error:
            # The reason names addresses: it is for the log, not for whoever asks.
            if self._answers.get(name, True):
                log.warning("%s: %s", name, error, extra={"action": "not_ready"})
            return False
        return True
