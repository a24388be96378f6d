from collections.abc import Callable

import pytest

from shared.errors import DatabaseUnavailable, StoreUnavailable, UsageError
from shared.jobs.claims import Claims
from shared.jobs.clock import Reading
from shared.jobs.repository import Repository
from shared.queue.dispatch import Dispatcher
from shared.upkeep import reconciler as module
from shared.upkeep.reconciler import Reconciler


class FakeRetention:
    """Has so many steps to do, or is away."""

    def __init__(self, steps: int = 0, error: Exception | None = None) -> None:
        self.steps, self.error, self.asked = steps, error, 0

    def step(self) -> bool:
        self.asked += 1
        if self.error:
            raise self.error
        self.steps -= 1
        return self.steps >= 0


class FakeDispatcher:
    def fill(self) -> int:
        return 7


@pytest.fixture
def make(repository: Repository, claims: Claims) -> Callable[[FakeRetention], Reconciler]:
    def make(retention: FakeRetention) -> Reconciler:
        dispatcher: Dispatcher = FakeDispatcher()  # type: ignore[assignment]
        return Reconciler(repository, claims, dispatcher, interval=0.01, retention=retention)  # type: ignore[arg-type]

    return make


def test_retention_is_done_in_small_pieces_and_then_rests(
    make: Callable[[FakeRetention], Reconciler], monkeypatch: pytest.MonkeyPatch
) -> None:
    retention = FakeRetention(steps=3)
    reconciler = make(retention)
    monkeypatch.setattr(module, "_RETENTION_SECONDS_A_ROUND", -1.0)
    for asked in (1, 2, 3, 4, 4):  # the fourth had nothing to do
        assert reconciler.round().published == 7
        assert retention.asked == asked


@pytest.mark.parametrize("error", [StoreUnavailable("away"), UsageError("no key"), ZeroDivisionError()])
def test_retention_that_fails_holds_up_nothing_else(
    make: Callable[[FakeRetention], Reconciler], error: Exception
) -> None:
    retention = FakeRetention(error=error)
    reconciler = make(retention)
    for _ in range(2):
        assert reconciler.round().published == 7
    assert retention.asked == 1


class Clock:
    """Stands in for the module `time`, and for the event that ends the reconciler: its pauses pass at once."""

    def __init__(self, until: float) -> None:
        self.now, self.until = 0.0, until
        self.set_by = 1.7e9  # the database's clock, before this one

    def monotonic(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.now >= self.until

    def wait(self, seconds: float) -> None:
        self.now += seconds


def set_clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module.clock, "read", lambda _database: Reading(clock.now + clock.set_by, clock.now, 0.0))


@pytest.mark.parametrize("outage", ["the database is away", "the database hangs", "no outage"])
def test_leases_may_be_renewed_before_any_is_freed(
    repository: Repository, claims: Claims, monkeypatch: pytest.MonkeyPatch, outage: str
) -> None:
    clock = Clock(until=200)
    set_clock(clock, monkeypatch)
    freed_at: list[float] = []

    def expire(now: float) -> int:
        freed_at.append(clock.now)
        return 0

    monkeypatch.setattr(claims, "expire", expire)

    def close_finished() -> int:
        if clock.now in (60, 70, 80) and outage == "the database is away":
            raise DatabaseUnavailable("away")
        if clock.now == 60 and outage == "the database hangs":
            clock.now = 80
        return 0

    monkeypatch.setattr(repository, "close_finished", close_finished)
    reconciler = Reconciler(repository, claims, FakeDispatcher(), interval=10)  # type: ignore[arg-type]
    reconciler.run(clock)  # type: ignore[arg-type]

    # Half a lease of 60 s is left for renewals after the start too: an outage may just have ended.
    if outage == "no outage":
        assert freed_at == [*range(30, 200, 10)]
    else:
        assert freed_at == [30, 40, 50, *range(110, 200, 10)]


def test_a_database_that_is_always_slow_keeps_no_lease_from_being_freed(
    repository: Repository, claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(until=200)
    set_clock(clock, monkeypatch)
    freed_at: list[float] = []

    def expire(now: float) -> int:
        freed_at.append(clock.now)
        return 0

    def close_finished() -> int:
        clock.now += 20
        return 0

    monkeypatch.setattr(claims, "expire", expire)
    monkeypatch.setattr(repository, "close_finished", close_finished)
    Reconciler(repository, claims, FakeDispatcher(), interval=10).run(clock)  # type: ignore[arg-type]
    assert freed_at == [*range(50, 220, 30)]
