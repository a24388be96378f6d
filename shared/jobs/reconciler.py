"""The reconciler: a plain loop that makes SQL come true, whatever was lost on the way.

Each round frees the leases that ran out, ends the jobs whose items have all ended, and sends the hints that are due.
Several reconcilers at once are safe. It is no queued task, so that it works when the queue does not.
"""

import logging
import threading
from dataclasses import dataclass

from shared.errors import Retryable
from shared.jobs.claims import Claims
from shared.jobs.dispatch import Dispatcher
from shared.jobs.repository import Repository

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Round:
    """What one round did."""

    freed: int
    closed: int
    published: int


class Reconciler:
    """Frees, closes and resends, a round every `interval` seconds."""

    def __init__(self, repository: Repository, claims: Claims, dispatcher: Dispatcher, *, interval: float) -> None:
        self.repository = repository
        self.claims = claims
        self.dispatcher = dispatcher
        self.interval = interval

    def round(self) -> Round:
        """Do one round; Retryable where database or broker is away."""
        freed = self.claims.expire()
        closed = self.repository.close_finished()
        return Round(freed=freed, closed=closed, published=self.dispatcher.fill())

    def run(self, stop: threading.Event) -> None:
        """Do rounds until `stop` is set; an outage is logged once and waited out."""
        away = False
        while not stop.is_set():
            try:
                done = self.round()
            except Retryable as error:
                if not away:
                    log.warning("reconciler waits: %s", error, extra={"action": "reconciler_waits"})
                away = True
            else:
                if away:
                    log.info("reconciler goes on", extra={"action": "reconciler_resumes"})
                away = False
                if done.freed or done.closed:
                    log.info(
                        "freed %d leases, ended %d jobs, sent %d hints",
                        done.freed, done.closed, done.published, extra={"action": "reconciled"},
                    )  # fmt: skip
            stop.wait(self.interval)
