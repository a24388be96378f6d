"""A database's clock that jumps under claims in work, forward and backward, over the whole of the reconciler."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, select

from shared.db.database import Database
from shared.db.tables.jobs import ItemRow, ShardRow
from shared.jobs import clock as clock_module
from shared.jobs.claims import Claims
from shared.jobs.clock import Reading
from shared.jobs.repository import Repository
from shared.upkeep import reconciler as reconciler_module
from shared.upkeep.reconciler import Reconciler
from tests.prepared_tables import make_tables

LEASE = 40.0
_EPOCH = 2440587.5  # as a Julian day
_START = 1.8e9


class Time:
    """Both clocks: the monotonic one of the processes, and the wall clock of the database, which can be set."""

    def __init__(self) -> None:
        self.now, self.set_by = 1000.0, 0.0

    def monotonic(self) -> float:
        return self.now

    def julian_day(self, _now: str) -> float:
        return _EPOCH + (_START + self.now + self.set_by) / 86400


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    for module in (clock_module, reconciler_module):
        monkeypatch.setattr(module, "time", time)
    return time


@pytest.fixture
def database(tmp_path: Path, time: Time) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")
    event.listen(
        database.engine, "connect", lambda connection, _: connection.create_function("julianday", 1, time.julian_day)
    )
    make_tables(database)
    yield database
    database.close()


@pytest.fixture
def claims(database: Database) -> Claims:
    return Claims(database, lease_seconds=LEASE, max_attempts=3)


class Dispatcher:
    def fill(self) -> int:
        return 0


@pytest.fixture
def reconciler(repository: Repository, claims: Claims, time: Time) -> Reconciler:
    reconciler = Reconciler(repository, claims, Dispatcher(), interval=1)  # type: ignore[arg-type]
    reconciler.round()
    return reconciler


def go_on(time: Time, reconciler: Reconciler, seconds: float) -> int:
    """Let time pass, with a round each second; return how many leases were freed."""
    freed = 0
    for _ in range(int(seconds)):
        time.now += 1
        freed += reconciler.round().freed
    return freed


def attempts(database: Database) -> set[tuple[str, int]]:
    with database.read() as connection:
        return {(state, count) for state, count in connection.execute(select(ItemRow.state, ItemRow.attempts))}


def test_a_clock_that_jumps_forward_costs_no_attempt(make_job, claims, database, reconciler, time: Time):
    _, [shard] = make_job(3)
    claim = claims.claim(shard, worker="w")
    assert claim
    for _ in range(3):
        go_on(time, reconciler, 5)
        time.set_by += 600
        assert go_on(time, reconciler, LEASE / 4) == 0  # by then whoever lives has renewed
        assert claims.renew([claim.token]) == {claim.token}
        assert go_on(time, reconciler, LEASE / 4) == 0
        claims.renew([claim.token])
    assert attempts(database) == {("running", 1)}


def test_a_worker_that_died_is_freed_after_the_jump_all_the_same(make_job, claims, database, reconciler, time: Time):
    _, [shard] = make_job(2)
    claims.claim(shard, worker="w")
    time.set_by += 600
    assert go_on(time, reconciler, LEASE / 2 + 2) == 2
    assert attempts(database) == {("pending", 1)}


def test_what_jumps_while_leases_are_freed_frees_none(make_job, claims, database, reconciler, time: Time, monkeypatch):
    _, [shard] = make_job(2)
    claims.claim(shard, worker="w")
    expire = claims.expire

    def jump_first(now: float | None = None) -> int:
        time.set_by += 600
        return expire(now)

    monkeypatch.setattr(claims, "expire", jump_first)
    assert go_on(time, reconciler, 1) == 0


def test_a_clock_that_is_set_back_holds_no_dead_lease_for_an_hour(make_job, claims, database, reconciler, time: Time):
    _, [of_the_dead, of_the_living] = make_job(2, 1)
    claims.claim(of_the_dead, worker="dead")
    living = claims.claim(of_the_living, worker="living")
    assert living
    time.set_by -= 3600
    freed = 0
    for _ in range(10):
        claims.renew([living.token])
        freed += go_on(time, reconciler, LEASE / 4)
    assert freed == 2
    assert attempts(database) == {("pending", 1), ("running", 1)}


def test_a_reconciler_that_comes_later_finds_what_a_clock_left(make_job, claims, database, repository, time: Time):
    _, [shard] = make_job(1)
    claims.claim(shard, worker="dead")
    time.set_by -= 3600
    later = Reconciler(repository, claims, Dispatcher(), interval=1)  # type: ignore[arg-type]
    assert go_on(time, later, LEASE + 2) == 1


def test_rests_and_hints_of_the_future_do_not_last(make_job, claims, database, reconciler, time: Time):
    _, [shard, other] = make_job(1, 1)
    claim = claims.claim(shard, worker="w")
    assert claim
    claims.release(claim)
    with database.write() as connection:
        connection.execute(ShardRow.__table__.update().values(published_at=_START + time.now))
    time.set_by -= 3600
    go_on(time, reconciler, LEASE / 2 + 2)
    assert claims.claim(shard, worker="w")
    with database.read() as connection:
        assert set(connection.execute(select(ShardRow.published_at)).scalars()) == {None}
    assert claims.claim(other, worker="w")


def test_what_the_reading_itself_took_is_no_jump():
    before = Reading(wall=100.0, monotonic=10.0, uncertain=0.1)
    assert Reading(wall=107.0, monotonic=12.0, uncertain=6.0).jump_since(before) == 0.0
    assert Reading(wall=107.0, monotonic=12.0, uncertain=0.1).jump_since(before) == 5.0


def test_a_reconciler_that_was_stopped_lets_others_renew_first(make_job, claims, repository, time: Time):
    """A machine that was stopped stops both clocks' readers, and no clock jumps."""

    class Event:
        def __init__(self) -> None:
            self.rounds = 0

        def is_set(self) -> bool:
            self.rounds += 1
            return self.rounds > 40

        def wait(self, seconds: float) -> None:
            time.now += 120 if self.rounds == 30 else seconds

    _, [shard] = make_job(1)
    claims.claim(shard, worker="w")
    freed_at: list[float] = []
    claims.expire = lambda _now: freed_at.append(time.now) or 0
    Reconciler(repository, claims, Dispatcher(), interval=1).run(Event())  # type: ignore[arg-type]
    assert not [at for at in freed_at if at > 1000 + 30 + 100]
