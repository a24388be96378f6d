"""Sending the messages of webhooks: what is due, a few at a time, again with growing pauses until it arrives."""

import http.client
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import SystemRandom

from shared.errors import DelineateError
from shared.jobs.webhooks import DueDelivery, Webhooks
from shared.upkeep.webhook_post import TIMEOUT_SECONDS, Forbidden, post

log = logging.getLogger(__name__)

# As Standard Webhooks advises: ten attempts in three days.
_MINUTE, _HOUR = 60.0, 3600.0
PAUSES_SECONDS = (5.0, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR)
_JITTER = 0.1
_AT_ONCE = 4
_LEASE_SECONDS = 4 * TIMEOUT_SECONDS
_PAUSE_SECONDS = 1.0
_AWAY_PAUSE_SECONDS = 10.0
_FORGETS_EVERY_SECONDS = _HOUR
_GONE = 410


class WebhookSender:
    """Sends what is due.

    Args:
        webhooks: of the database.
        private: whether http and addresses of private networks are allowed.
    """

    def __init__(self, webhooks: Webhooks, *, private: bool) -> None:
        self._webhooks = webhooks
        self._private = private
        self._forgets_from = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set; a database that is away is waited for."""
        while not stop.is_set():
            try:
                sent = self.round()
                if time.monotonic() >= self._forgets_from:
                    self._webhooks.forget_old()
                    self._forgets_from = time.monotonic() + _FORGETS_EVERY_SECONDS
            except DelineateError:
                stop.wait(_AWAY_PAUSE_SECONDS)  # the reconciler beside it says so
            except Exception:
                log.exception("a defect in sending webhooks", extra={"action": "webhooks_fail"})
                stop.wait(_AWAY_PAUSE_SECONDS)
            else:
                if not sent:
                    stop.wait(_PAUSE_SECONDS)

    def round(self) -> int:
        """Send what is due now, at most a few messages, and return how many that were."""
        due = self._webhooks.take_due(limit=_AT_ONCE, lease=_LEASE_SECONDS)
        if due:
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhook") as pool:
                list(pool.map(self._send, due))
        return len(due)

    def _send(self, delivery: DueDelivery) -> None:
        try:
            answer = post(delivery.url, delivery.id, delivery.secret, delivery.body, private=self._private)
        except Forbidden as error:
            self._webhooks.failed(delivery, status=None, error=str(error), again_in=None)
            return
        except (OSError, http.client.HTTPException) as error:
            self._webhooks.failed(delivery, status=None, error=_told(error), again_in=_pause(delivery.attempts))
            return
        if 200 <= answer.status < 300:
            self._webhooks.arrived(delivery, answer.status)
            return
        is_gone = answer.status == _GONE
        again = None if is_gone else _pause(delivery.attempts, at_least=answer.retry_after or 0.0)
        self._webhooks.failed(
            delivery, status=answer.status, error=f"the receiver answered with {answer.status}", again_in=again
        )
        if is_gone:
            self._webhooks.end(delivery.webhook_id)


def _pause(attempts: int, *, at_least: float = 0.0) -> float | None:
    """How long to wait after so many attempts before this one; None gives up."""
    if attempts >= len(PAUSES_SECONDS):
        return None
    jitter = SystemRandom().uniform(1 - _JITTER, 1 + _JITTER)
    return max(min(at_least, PAUSES_SECONDS[-1]), PAUSES_SECONDS[attempts] * jitter)


def _told(error: Exception) -> str:
    """Say why there was no answer, in words of ours: what a library says may name addresses."""
    match error:
        case TimeoutError():
            return f"no answer within {TIMEOUT_SECONDS:g} s"
        case ConnectionRefusedError():
            return "nobody listens there"
    name = type(error).__name__
    return {"gaierror": "the name is not known", "SSLCertVerificationError": "its certificate is not valid"}.get(
        name, f"no connection ({name})"
    )
