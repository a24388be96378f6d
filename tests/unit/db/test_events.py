import pytest
from sqlalchemy import update

from shared.db.database import Database
from shared.db.events import SYSTEM, Actor, EventFilter, EventKind, EventSource, events
from shared.db.tables.jobs import JobRow
from shared.errors import IllegalTransition
from shared.jobs.repository import Repository
from tests.unit.conftest import MakeJob

ANA = Actor("ana", EventSource.PAGE)


@pytest.mark.parametrize(
    ("text", "actor", "owner"),
    [
        ("ana (web)", ANA, "ana"),
        ("ana@lab.org (API)", Actor("ana@lab.org", EventSource.API), "ana@lab.org"),
        ("ana@studio", Actor("ana@studio", EventSource.COMMAND), "ana"),
    ],
)
def test_who_is_meant(text: str, actor: Actor, owner: str) -> None:
    assert Actor.of_text(text) == actor
    assert actor.owner == owner


def test_a_job_tells_its_story(database: Database, repository: Repository, make_job: MakeJob) -> None:
    job, _ = make_job(2)
    other, _ = make_job(1)
    repository.cancel(job, by=ANA)
    with pytest.raises(IllegalTransition):
        repository.cancel(job, by=ANA)  # what was refused did not happen
    repository.retry(job)
    found = events(database, EventFilter(job_id=job), limit=9)
    assert [(event.kind, event.actor, event.source) for event in found] == [
        (EventKind.RETRIED, SYSTEM.name, EventSource.SYSTEM),
        (EventKind.CANCELLED, "ana", EventSource.PAGE),
        (EventKind.SUBMITTED, "test", EventSource.PAGE),
    ]
    assert repository.job(job).owner == "test"
    with database.write() as connection:
        connection.execute(update(JobRow).where(JobRow.id == other).values(removal_started_at=1.0))
    for wanted, count in (
        (EventFilter(), 4),
        (EventFilter(actor="ana"), 1),
        (EventFilter(kind=EventKind.SUBMITTED), 2),
        (EventFilter(source=EventSource.COMMAND), 0),
        (EventFilter(since=found[0].at + 1), 0),
        (EventFilter(until=found[0].at + 1), 4),
    ):
        assert len(events(database, wanted, limit=9)) == count
    assert events(database, EventFilter(), limit=1, before=found[0].id) == [found[1]]
