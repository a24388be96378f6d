"""The Celery application, every setting with its reason, and the names of the queue and its one task.

The settings follow from one rule: SQL is the truth and a message is a hint. So a message may be lost at no cost
(the reconciler sends it again), and whatever makes the broker repeat messages is switched off.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import kombu.exceptions
import redis
from celery import Celery

from shared.addresses import checked_address
from shared.errors import BrokerFull, BrokerUnavailable, ConfigurationError
from shared.queue.envelope import PROCESS_SHARD, QUEUE
from shared.queue.messages import ShardMessage
from shared.queue.transport import use_hint_transport

# Who has something urgent says so here, beside the hints, which stand in line.
_URGENT = "delineate.urgent"

# The turn of one dispatcher; many times longer than filling takes.
_LOCK = f"{QUEUE}.filling"
_LOCK_MILLISECONDS = 5_000
_UNLOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end"

# Anything else kombu takes for a host, or for a transport that `HintTransport` does not guard.
_SCHEMES = ("redis://", "rediss://", "redis+socket://")
_NO_ADDRESS = "BROKER_URL is no Redis address, such as redis://host:6379/0"

# What is written to see that it can be.
_CHECK = f"{QUEUE}.check"
_CHECK_MILLISECONDS = 1_000
_OUT_OF_MEMORY = "command not allowed when used memory"

# What kombu and redis-py raise when Redis does not answer.
_BROKER_ERRORS = (kombu.exceptions.OperationalError, redis.RedisError, OSError)
# One more try at once, in place of six seconds of them: every caller has a next try of its own.
_FAIL_FAST = {"max_retries": 1, "interval_start": 0}


def make_celery(broker_url: str) -> Celery:
    """Return the Celery application, for workers and for those who only send."""
    use_hint_transport()
    app = Celery("delineate", broker=broker_url, set_as_current=False)
    app.conf.update(
        # Early acknowledgement, and no copy of unacknowledged messages kept in Redis: late acks make the broker
        # repeat messages when a connection drops or a task outlasts the visibility timeout, and a restart of Redis
        # can end the worker. What is lost with an early ack is only a hint.
        task_acks_late=False,
        task_reject_on_worker_lost=False,
        broker_transport_options={
            "ack_emulation": False,
            # Without these a black-holed connection stops a worker for minutes, and a publish blocks.
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        # At most `concurrency` spare messages are held, and they go back on SIGTERM.
        worker_prefetch_multiplier=1,
        # Redis being away at the start or later never ends a worker.
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Nor does one that answers and takes no writes: it is full, or a replica since a failover.
        broker_channel_error_retry=True,
        # Results live in SQL; a result backend halves the rate and grows Redis.
        task_ignore_result=True,
        result_backend=None,
        # This would kill the threads of a thread pool; the lease decides who owns what.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # No pickle from a broker.
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        # Routed by queue alone: after FLUSHALL messages through a named or topic exchange vanish.
        task_default_queue=QUEUE,
        # One process a GPU: one model and one batcher, fed by a few threads.
        worker_pool="threads",
        # Whoever can write to Redis could otherwise stop workers, throttle them, or have them take no more hints.
        worker_enable_remote_control=False,
        # Nobody listens: docs/monitoring.md has metrics in their place.
        worker_send_task_events=False,
        task_send_sent_event=False,
        worker_hijack_root_logger=False,
    )
    return app


class ShardQueue:
    """The sending side of the queue."""

    def __init__(self, broker_url: str) -> None:
        """Connect to nothing yet.

        Raises:
            ConfigurationError: the address is not one of a Redis.
        """
        if not broker_url.startswith(_SCHEMES):
            raise ConfigurationError(_NO_ADDRESS)
        self.celery = make_celery(checked_address("BROKER_URL", broker_url))
        self._lock = threading.Lock()
        self._connection: Any = None  # kombu's

    def publish(self, message: ShardMessage) -> None:
        """Send a hint, failing fast: what was not sent, the next round of the reconciler sends.

        Raises:
            BrokerUnavailable: Redis did not take it.
        """
        try:
            self.celery.send_task(PROCESS_SHARD, args=[message.encode()], queue=QUEUE, retry=False, ignore_result=True)
        except _BROKER_ERRORS as error:
            raise _unavailable("the queue took no message", error) from error

    @contextmanager
    def filling(self) -> Iterator[bool]:
        """Let one at a time fill the queue: yields whether it is the caller's turn.

        Without it those who measure the queue at the same moment would all fill the same gap. It guards nothing else:
        a lock whose holder died goes by itself, and two who fill at once send some hints too many.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        token = uuid4().hex
        mine = bool(self._with_redis("set", _LOCK, token, nx=True, px=_LOCK_MILLISECONDS))
        try:
            yield mine
        finally:
            if mine:
                with suppress(BrokerUnavailable):
                    self._with_redis("eval", _UNLOCK, 1, _LOCK, token)

    def announce_urgent(self) -> None:
        """Wake the workers that are busy with less urgent work; without it they look half a second later.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        self._with_redis("publish", _URGENT, "")

    def listener(self) -> "UrgentListener":
        """Return what hears `announce_urgent`, for one thread."""
        return UrgentListener(self._client)

    def length(self) -> int:
        """Return how many messages wait in Redis.

        Raises:
            BrokerUnavailable: it does not answer.
        """
        return int(self._with_redis("llen", QUEUE))

    def check(self) -> None:
        """Raise unless Redis answers and takes what is written.

        Raises:
            BrokerUnavailable: nothing answers at the address, or it has no room.
            ConfigurationError: the address or the password is wrong.
        """
        # Asked for a ping it would say that all is well when it is full, or a replica that takes no messages.
        self._with_redis("set", _CHECK, "", px=_CHECK_MILLISECONDS)

    def close(self) -> None:
        """Close all connections."""
        self._drop_client()
        self.celery.close()

    def _client(self) -> redis.Redis:
        """Redis, as Celery connects to it; kept open, since to connect costs forty times as much as to ask."""
        with self._lock:
            if self._connection is None:
                self._connection = self.celery.connection_for_write(transport_options=_FAIL_FAST)
            client: redis.Redis = self._connection.default_channel.client
            return client

    def _drop_client(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*_BROKER_ERRORS):
                connection.release()

    def _with_redis(self, command: str, *arguments: str | int, **options: Any) -> Any:
        try:
            try:
                return getattr(self._client(), command)(*arguments, **options)
            except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
                self._drop_client()
                if isinstance(error, redis.AuthenticationError):
                    raise
                # The connection may be from before a restart of the server.
                return getattr(self._client(), command)(*arguments, **options)
        except redis.AuthenticationError as error:
            raise ConfigurationError(f"Redis refused the password, check BROKER_URL: {_first_line(error)}") from error
        except (ValueError, KeyError, ImportError) as error:
            raise ConfigurationError(_NO_ADDRESS) from error
        except _BROKER_ERRORS as error:
            raise _unavailable("Redis does not answer", error) from error


class UrgentListener:
    """Waits for `ShardQueue.announce_urgent` on a connection of its own, opened at the first wait."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._client = client
        self._channel: Any = None  # redis-py's PubSub

    def wait(self, seconds: float) -> bool:
        """Wait up to so many seconds for an announcement; return whether there was one since the last call.

        Raises:
            BrokerUnavailable: Redis does not answer, or does not let us listen. The next call connects again.
        """
        deadline = time.monotonic() + seconds
        heard = False
        try:
            if self._channel is None:
                self._channel = self._client().pubsub()
                self._channel.subscribe(_URGENT)
            # All announcements that have come until now are one. There are other messages: that we are subscribed.
            while message := self._channel.get_message(timeout=0 if heard else max(deadline - time.monotonic(), 0)):
                heard = heard or message["type"] == "message"
        except (*_BROKER_ERRORS, ValueError, AttributeError) as error:
            # The last two are redis-py's, where another thread drops the client that this connection came from.
            self.close()
            raise BrokerUnavailable(f"Redis does not answer: {_first_line(error)}") from error
        return heard

    def close(self) -> None:
        """Close the connection."""
        channel, self._channel = self._channel, None
        if channel is not None:
            with suppress(*_BROKER_ERRORS):
                channel.close()


def _unavailable(what: str, error: BaseException) -> BrokerUnavailable:
    reason = _first_line(error)
    if isinstance(error, redis.OutOfMemoryError) or _OUT_OF_MEMORY in reason:  # kombu hands on the words alone
        return BrokerFull(f"Redis has no room: {reason}; free some, or raise its maxmemory, and work goes on by itself")
    if isinstance(error, redis.ResponseError):
        return BrokerUnavailable(f"Redis takes nothing: {reason}")
    return BrokerUnavailable(f"{what}: {reason}")


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
