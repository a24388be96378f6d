"""kombu's Redis transport, but for what it reads: no message ends or stalls the worker that takes it.

kombu and Celery raise on a message that they cannot read, which ends the worker; some they put back first, for the next
worker to die of. Here such a message is dropped and counted: hints can be lost at no cost.
"""

import logging
import time
from queue import Empty
from typing import Any

import redis
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis

from shared.errors import MessageError
from shared.jobs.metrics import DROPPED_HINTS
from shared.queue.envelope import QUEUE, rewritten

log = logging.getLogger(__name__)

_SAID_EVERY_SECONDS = 60.0


def use_hint_transport() -> None:
    """Have every Redis URL of this process read through `HintTransport`."""
    name = f"{__name__}:{HintTransport.__name__}"
    TRANSPORT_ALIASES.update(redis=name, rediss=name)


class HintChannel(kombu_redis.Channel):
    """Reads one message after the other, and drops those that are none."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except (redis.ResponseError, redis.DataError) as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            drop(f"{QUEUE} is no list, and is removed")
            self.connection.client.default_channel.client.delete(QUEUE)
        except (ValueError, TypeError, RecursionError) as error:  # it is no JSON; it has left Redis already
            drop(f"a message is no JSON ({type(error).__name__})")
        raise Empty


class HintTransport(kombu_redis.Transport):
    """Gives Celery envelopes of our own writing alone."""

    Channel = HintChannel

    def _deliver(self, message: object, queue: str) -> None:
        try:
            envelope = rewritten(message)
        except MessageError as error:
            drop(str(error))
            return
        super()._deliver(envelope, queue)  # type: ignore[no-untyped-call]


class _Said:
    at = -_SAID_EVERY_SECONDS


def drop(reason: str) -> None:
    """Count a message that is dropped; say so at most once a minute, for a flood is no reason to fill a disk."""
    DROPPED_HINTS.inc()
    now = time.monotonic()
    if now - _Said.at >= _SAID_EVERY_SECONDS:
        _Said.at = now
        log.error("message dropped: %s", reason, extra={"action": "message_dropped"})
