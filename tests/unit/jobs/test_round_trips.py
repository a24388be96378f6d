"""What an image costs in SQL is round trips: a claim, its results and the next hint take a fixed, small number."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import event

from shared.db.database import Database
from shared.jobs.claims import Claims
from shared.queue.dispatch import Dispatcher
from tests.outcomes import all_succeed
from tests.unit.conftest import MakeJob
from tests.unit.queue.memory_queue import MemoryQueue


@dataclass
class Trips:
    statements: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len([statement for statement in self.statements if not statement.startswith("BEGIN")])


@contextmanager
def counted(database: Database) -> Iterator[Trips]:
    trips = Trips()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        trips.statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield trips
    event.remove(database.engine, "before_cursor_execute", note)


def test_a_shards_way_through_a_worker(database: Database, claims: Claims, make_job: MakeJob) -> None:
    _, (first, second) = make_job(32, 32)
    assert claims.claim(first, worker="w") is not None  # starts the job
    with counted(database) as trips:
        claim = claims.claim(second, worker="w")
    assert claim is not None
    assert trips.count == 3  # lock, take, count
    with counted(database) as trips:
        assert len(claims.complete(claim, all_succeed(claim))) == 32
    assert trips.count == 4  # lock, what is held, all results, count
    with counted(database) as trips:
        assert claims.claim(second, worker="w") is None
    assert trips.count == 1


def test_asking_what_comes_next(database: Database, make_job: MakeJob) -> None:
    _, shards = make_job(*[1] * 5)
    dispatcher = Dispatcher(database, MemoryQueue(), window=3, resend_after=600)
    with counted(database) as trips:
        assert dispatcher.more_urgent(shards[0]) is None
    assert trips.count == 1
    with counted(database) as trips:
        assert len(dispatcher.next_shards(3)) == 3
    assert trips.count == 2  # the jobs' turns, and the shards of the one job
