"""What each kind of fault does to the world.

An injection returns when its fault is over and healed: True, or False where there was nothing to be done it to.
"""

import os
import random
import shutil
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import psycopg
from redis import RedisError
from sqlalchemy import select

from shared.db.tables.jobs import ShardRow
from shared.queue.envelope import PROCESS_SHARD, QUEUE
from shared.queue.messages import ShardMessage
from tests.damaged_messages import DAMAGED
from tests.faults.plan import KINDS, Fault
from tests.faults.points import Point, Strike
from tests.faults.proxy import Mode
from tests.faults.world import World

Injection = Callable[[World, Fault], bool]

_FEW_MESSAGES = 20
_FULL_MEMORY = "1mb"


def inject(world: World, fault: Fault) -> bool:
    """Do what the fault says, and undo it; return whether it could be done."""
    return INJECTIONS[fault.kind](world, fault)


def heal(world: World) -> list[Point]:
    """Leave nothing of any fault behind; return the points that were armed and that nobody came to."""
    for proxy in world.proxies.values():
        proxy.set(Mode.OPEN)
    for process in world.supervisor.processes:
        process.up()
    for role in ("worker", "reconciler", "redis"):
        for pid in world.pids(role):
            _signal(pid, signal.SIGCONT)
    with suppress(RedisError):
        world.redis.config_set("maxmemory", 0)
    if world.clock is not None:
        world.clock.write_text("+0")
    return world.points.disarm()


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # it ended by itself just now
        return False
    return True


def _blow(role: str, number: signal.Signals, world: World, fault: Fault) -> bool:
    """Send a signal to one of the processes of a role."""
    pids = world.pids(role)
    return bool(pids) and _signal(pids[fault.victim % len(pids)], number)


def _pause(role: str, world: World, fault: Fault) -> bool:
    """Stop one of the processes of a role for a while."""
    pids = world.pids(role)
    if not pids:
        return False
    pid = pids[fault.victim % len(pids)]
    stopped = _signal(pid, signal.SIGSTOP)
    time.sleep(fault.seconds)
    _signal(pid, signal.SIGCONT)
    return stopped


def _strike(point: Point, strike: Strike, world: World, _fault: Fault) -> bool:
    """Let whoever comes to the point next be struck there."""
    world.points.arm(point, strike)
    return True


def _behind_proxy(server: str, mode: Mode, world: World, fault: Fault) -> bool:
    world.proxies[server].set(mode)
    time.sleep(fault.seconds)
    world.proxies[server].set(Mode.OPEN)
    return True


def _redis_down(world: World, fault: Fault) -> bool:
    world.process("redis").down()
    time.sleep(fault.seconds)
    world.process("redis").up()
    return True


def _redis_without_its_file(world: World, _fault: Fault) -> bool:
    world.process("redis").down()
    shutil.rmtree(world.folder / "redis" / "appendonlydir")
    world.process("redis").up()
    return True


def _redis_flush(world: World, _fault: Fault) -> bool:
    world.redis.flushall()
    return True


def _redis_client_kill(world: World, _fault: Fault) -> bool:
    return bool(world.redis.client_kill_filter(_type="normal", skipme=True))


def _redis_full(world: World, fault: Fault) -> bool:
    world.redis.config_set("maxmemory", _FULL_MEMORY)
    time.sleep(fault.seconds)
    world.redis.config_set("maxmemory", 0)
    return True


def _messages(world: World, fault: Fault) -> bool:
    """Hints that are old, doubled, out of order, for cancelled and unknown jobs, and some that are none at all."""
    with world.past.database.read() as connection:
        rows = connection.execute(select(ShardRow.job_id, ShardRow.id)).all()
    draw = random.Random(fault.victim)
    known = [ShardMessage(job=job, shard=shard) for job, shard in draw.sample(rows, min(_FEW_MESSAGES, len(rows)))]
    unknown = [ShardMessage(job=str(uuid.UUID(int=n)), shard=str(uuid.UUID(int=n))) for n in range(3)]
    for message in [*known, *unknown, *reversed(known)]:
        world.past.queue.publish(message)
    for broken in ({}, {"version": 99}, "words"):
        world.past.queue.celery.send_task(PROCESS_SHARD, args=[broken], queue=QUEUE, retry=False)
    return True


def _unreadable_messages(world: World, _fault: Fault) -> bool:
    """Entries of the queue that are no messages of ours or of anybody's, at both of its ends."""
    world.redis.lpush(QUEUE, *DAMAGED.values())
    return bool(world.redis.rpush(QUEUE, *DAMAGED.values()))


def _postgres_read_only(world: World, fault: Fault) -> bool:
    """Take no writes for a while, in open sessions too, as a primary that became a replica."""
    with _administrator(world) as postgres:
        postgres.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        try:
            postgres.execute("SELECT pg_reload_conf()")
            time.sleep(fault.seconds)
        finally:
            postgres.execute("ALTER SYSTEM SET default_transaction_read_only = off")
            postgres.execute("SELECT pg_reload_conf()")
    return True


def _postgres_ends_sessions(world: World, _fault: Fault) -> bool:
    with _administrator(world) as postgres:
        ended = postgres.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchone()
    return bool(ended and ended[0])


def _postgres_clock(world: World, fault: Fault) -> bool:
    """Set the server's clock by ten minutes, forward or back, and right again a while later."""
    if world.clock is None:
        return False
    world.clock.write_text("+600" if fault.victim % 2 else "-600")
    time.sleep(fault.seconds)
    world.clock.write_text("+0")
    return True


def _administrator(world: World) -> psycopg.Connection:
    url = world.past.database.engine.url.set(drivername="postgresql")
    return psycopg.connect(
        url.render_as_string(hide_password=False), autocommit=True, options="-c default_transaction_read_only=off"
    )


def _sqlite_locked(world: World, fault: Fault) -> bool:
    with _sqlite_writer(str(world.past.database.engine.url.database)):
        time.sleep(fault.seconds)
    return True


@contextmanager
def _sqlite_writer(path: str) -> Iterator[None]:
    connection = sqlite3.connect(path, timeout=60, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.rollback()
        connection.close()


INJECTIONS: dict[str, Injection] = {
    "worker kill -9": partial(_blow, "worker", signal.SIGKILL),
    "worker kill -9 before claim": partial(_strike, Point.BEFORE_CLAIM, Strike.KILL),
    "worker kill -9 in batch": partial(_strike, Point.IN_BATCH, Strike.KILL),
    "worker kill -9 after PUT": partial(_strike, Point.AFTER_PUT, Strike.KILL),
    "worker kill -9 before commit": partial(_strike, Point.BEFORE_COMMIT, Strike.KILL),
    "worker kill -9 after commit": partial(_strike, Point.AFTER_COMMIT, Strike.KILL),
    "worker SIGTERM": partial(_blow, "worker", signal.SIGTERM),
    "worker stopped past its lease": partial(_pause, "worker"),
    "worker inference hangs": partial(_strike, Point.IN_BATCH, Strike.HANG),
    "worker out of memory": partial(_strike, Point.IN_BATCH, Strike.OUT_OF_MEMORY),
    "worker loses its device": partial(_strike, Point.IN_BATCH, Strike.LOSE_DEVICE),
    "reconciler kill -9": partial(_blow, "reconciler", signal.SIGKILL),
    "reconciler kill -9 publishing": partial(_strike, Point.PUBLISHING, Strike.KILL),
    "reconciler stopped": partial(_pause, "reconciler"),
    "admin kill -9": partial(_blow, "admin", signal.SIGKILL),
    "messages twice, stale, unknown": _messages,
    "messages unreadable": _unreadable_messages,
    "redis kill -9": partial(_blow, "redis", signal.SIGKILL),
    "redis restart": partial(_blow, "redis", signal.SIGTERM),
    "redis restart without its file": _redis_without_its_file,
    "redis down": _redis_down,
    "redis FLUSHALL": _redis_flush,
    "redis CLIENT KILL": _redis_client_kill,
    "redis stopped": partial(_pause, "redis"),
    "redis maxmemory": _redis_full,
    "postgres kill -9": partial(_blow, "postgres", signal.SIGKILL),
    "postgres read-only": _postgres_read_only,
    "postgres ends all sessions": _postgres_ends_sessions,
    "postgres clock jumps": _postgres_clock,
    "sqlite locked": _sqlite_locked,
    "s3 kill -9": partial(_blow, "s3", signal.SIGKILL),
    "standalone kill -9": partial(_blow, "standalone", signal.SIGKILL),
    **{
        f"{server} {name}": partial(_behind_proxy, server, mode)
        for server in ("redis", "postgres", "s3")
        for name, mode in (
            ("away", Mode.AWAY),
            ("black hole", Mode.BLACK_HOLE),
            ("slow", Mode.SLOW),
            ("answers lost", Mode.MUTE),
            ("answers 500", Mode.HTTP_500),
        )
        if any(kind.name == f"{server} {name}" for kind in KINDS)
    },
}
