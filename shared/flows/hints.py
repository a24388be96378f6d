"""Hints while a job is being submitted: the first masks are made while later files are still on their way."""

import logging
import time

from shared.errors import Retryable
from shared.jobs.records import Priority
from shared.services import Services

log = logging.getLogger(__name__)

_PAUSE_AFTER_OUTAGE_SECONDS = 10.0


class Hints:
    """Hints while a submission goes on; where the queue is away they are left to the reconciler."""

    def __init__(self, services: Services, priority: Priority) -> None:
        self.services = services
        self.urgent = priority is Priority.HIGH
        self.not_before = 0.0

    def send(self) -> None:
        """Fill the window, unless that failed a moment ago: an outage must not slow down every shard."""
        if time.monotonic() < self.not_before:
            return
        try:
            if self.urgent:
                self.services.queue.announce_urgent()
            self.services.dispatcher.fill()
        except Retryable as error:
            log.warning("no hint sent: %s", error, extra={"action": "hint_postponed"})
            self.not_before = time.monotonic() + _PAUSE_AFTER_OUTAGE_SECONDS
