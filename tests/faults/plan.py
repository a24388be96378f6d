"""The plan of faults: a pure function of the seed, the stack and the length, so that a failure can be replayed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class StackKind(StrEnum):
    """Which parts the world is made of."""

    FULL = "full"  # Redis, PostgreSQL, S3
    EMBEDDED = "embedded"  # admin standalone: the wheel's broker, SQLite, a folder


BOTH = (StackKind.FULL, StackKind.EMBEDDED)
FULL = (StackKind.FULL,)
EMBEDDED = (StackKind.EMBEDDED,)


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault. Two faults of one `target` never overlap; those of different targets may.

    `short` and `long` are the ranges of its duration in seconds, in the two forms of the suite; 0 for a blow.
    """

    name: str
    target: str
    stacks: Sequence[StackKind]
    short: tuple[float, float] = (0, 0)
    long: tuple[float, float] = (0, 0)


# A lease is 4 s and the watchdog waits 20 s, see `world.SETTINGS`: what only pauses a part stays under that.
KINDS = (
    FaultKind("worker kill -9", "worker", BOTH),
    FaultKind("worker kill -9 before claim", "worker", BOTH),
    FaultKind("worker kill -9 in batch", "worker", BOTH),
    FaultKind("worker kill -9 after PUT", "worker", BOTH),
    FaultKind("worker kill -9 before commit", "worker", BOTH),
    FaultKind("worker kill -9 after commit", "worker", BOTH),
    FaultKind("worker SIGTERM", "worker", BOTH),
    FaultKind("worker stopped past its lease", "worker", BOTH, (7, 9), (7, 30)),
    FaultKind("worker inference hangs", "worker", BOTH),
    FaultKind("worker out of memory", "worker", BOTH),
    FaultKind("worker loses its device", "worker", BOTH),
    FaultKind("reconciler kill -9", "reconciler", BOTH),
    FaultKind("reconciler kill -9 publishing", "reconciler", BOTH),
    FaultKind("reconciler stopped", "reconciler", BOTH, (2, 4), (5, 60)),
    FaultKind("admin kill -9", "admin", BOTH),
    FaultKind("messages twice, stale, unknown", "messages", BOTH),
    FaultKind("messages unreadable", "messages", BOTH),
    FaultKind("redis kill -9", "redis", BOTH),
    FaultKind("redis restart", "redis", BOTH),
    FaultKind("redis restart without its file", "redis", FULL),
    FaultKind("redis down", "redis", FULL, (4, 6), (20, 60)),
    FaultKind("redis FLUSHALL", "redis", BOTH),
    FaultKind("redis CLIENT KILL", "redis", BOTH),
    FaultKind("redis stopped", "redis", BOTH, (4, 6), (10, 30)),
    FaultKind("redis maxmemory", "redis", BOTH, (3, 5), (10, 30)),
    FaultKind("redis black hole", "redis", FULL, (4, 6), (15, 40)),
    FaultKind("redis slow", "redis", FULL, (3, 5), (10, 30)),
    FaultKind("redis answers lost", "redis", FULL, (1, 2), (2, 5)),
    FaultKind("postgres kill -9", "database", FULL),
    FaultKind("postgres away", "database", FULL, (3, 5), (10, 60)),
    FaultKind("postgres black hole", "database", FULL, (3, 5), (5, 12)),
    FaultKind("postgres slow", "database", FULL, (3, 5), (10, 30)),
    FaultKind("postgres answers lost", "database", FULL, (1, 2), (1, 5)),
    FaultKind("postgres read-only", "database", FULL, (3, 5), (5, 30)),
    FaultKind("postgres ends all sessions", "database", FULL),
    FaultKind("postgres clock jumps", "clock", FULL, (5, 7), (7, 30)),
    FaultKind("sqlite locked", "database", EMBEDDED, (3, 5), (5, 15)),
    FaultKind("s3 kill -9", "store", FULL),
    FaultKind("s3 away", "store", FULL, (3, 5), (10, 60)),
    FaultKind("s3 black hole", "store", FULL, (3, 5), (5, 12)),
    FaultKind("s3 slow", "store", FULL, (3, 5), (10, 30)),
    FaultKind("s3 answers lost", "store", FULL, (1, 2), (1, 5)),
    FaultKind("s3 answers 500", "store", FULL, (2, 4), (5, 30)),
    FaultKind("standalone kill -9", "standalone", EMBEDDED),
)

_SHORT_GAP, _LONG_GAP = 1.8, 6.0  # seconds between two faults, on average
_FIRST_AT = 3.0  # some work is under way by then
# A target rests for a while after a fault, or a part that takes seconds to start would never work.
_SHORT_REST, _LONG_REST = 1.0, 10.0


@dataclass(frozen=True)
class Fault:
    """One fault: `at` seconds after the start, for `seconds`; `victim` chooses among several like processes."""

    number: int
    at: float
    seconds: float
    kind: str
    victim: int

    def __str__(self) -> str:
        return f"#{self.number:<3} {self.at:7.1f} s  {self.kind}" + (f" for {self.seconds} s" if self.seconds else "")


def plan_faults(seed: int, *, stack: StackKind, seconds: float, short: bool) -> list[Fault]:
    """The faults of a run of so many seconds, by their time. Each kind comes once before any comes again."""
    draw = random.Random(f"{seed} {stack} faults")  # a string is hashed the same everywhere
    kinds = [kind for kind in KINDS if stack in kind.stacks]
    gap, rest = (_SHORT_GAP, _SHORT_REST) if short else (_LONG_GAP, _LONG_REST)
    deck: list[FaultKind] = []
    free_at: dict[str, float] = {}
    faults: list[Fault] = []
    now = _FIRST_AT
    while now < seconds:
        deck = deck or draw.sample(kinds, len(kinds))
        kind = next((kind for kind in deck if free_at.get(kind.target, 0.0) <= now), None)
        if kind is not None:
            deck.remove(kind)
            lasts = min(draw.uniform(*(kind.short if short else kind.long)), seconds - now)
            faults.append(Fault(len(faults) + 1, round(now, 1), round(lasts, 1), kind.name, draw.randrange(1000)))
            free_at[kind.target] = now + lasts + rest
        now += gap * draw.uniform(0.5, 1.5)
    return faults
