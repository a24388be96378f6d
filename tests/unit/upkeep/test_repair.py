from collections.abc import Callable

import pytest
from sqlalchemy import update

from shared.db.database import Database
from shared.db.tables.base import new_id
from shared.db.tables.jobs import ItemRow, JobRow, ShardRow
from shared.errors import UsageError
from shared.jobs.claims import Claims
from shared.jobs.repository import Repository
from shared.jobs.state import ItemCounts, ItemStatus, JobStatus
from shared.store import ObjectStore, keys, open_store
from shared.upkeep.audit import AuditReport, audit
from shared.upkeep.repair import Mended, Repair
from tests.unit.upkeep.stored import MASK, finish, shards_of, submit, succeeded

MendNow = Callable[[], dict[Mended, int]]


@pytest.fixture
def store() -> ObjectStore:
    return open_store(f"memory://{new_id()}")


@pytest.fixture
def look(database: Database, store: ObjectStore) -> Callable[[], AuditReport]:
    return lambda: audit(database, store, grace=-1.0)


@pytest.fixture
def mend(database: Database, store: ObjectStore, look: Callable[[], AuditReport]) -> MendNow:
    return lambda: dict(Repair(database, store).mend(look().findings))


@pytest.fixture
def job(repository: Repository, claims: Claims, store: ObjectStore) -> str:
    """An ended job of three items, all succeeded."""
    job_id = submit(repository, store, 3)
    finish(repository, claims, store, job_id)
    assert repository.job(job_id).state is JobStatus.SUCCEEDED
    return job_id


def test_what_lost_its_result_is_done_again_or_has_failed(
    repository: Repository, claims: Claims, store: ObjectStore, job: str, look: Callable[[], AuditReport], mend: MendNow
) -> None:
    redone, lost, _ = (item.id for item in repository.items(job, limit=3))
    store.delete([keys.mask(job, redone), keys.mask(job, lost), keys.source(job, lost, ".png")])
    assert mend() == {Mended.REDONE: 1, Mended.LOST: 1}
    assert repository.job(job).counts == ItemCounts(pending=1, succeeded=1, failed=1)
    assert repository.job(job).state is JobStatus.QUEUED
    item = repository.item(lost)
    assert item is not None
    assert (item.state, item.error_code, item.mask_key) == (ItemStatus.FAILED, "result_missing", None)
    claim = claims.claim(shards_of(repository.database, job)[0], worker="w")
    assert claim is not None
    claims.complete(claim, [succeeded(store, job, redone)])
    assert repository.close_if_finished(job) is JobStatus.PARTIAL
    assert mend() == {Mended.DELETED: 1}  # the probability map of the lost one
    assert look().is_clean


def test_a_cancelled_job_does_nothing_again(
    database: Database, repository: Repository, claims: Claims, store: ObjectStore, job: str, mend: MendNow
) -> None:
    with database.write() as connection:
        connection.execute(update(JobRow).values(cancel_requested_at=1.0))
    store.delete([keys.mask(job, repository.items(job, limit=1)[0].id)])
    assert mend()[Mended.LOST] == 1
    assert repository.job(job).state is JobStatus.PARTIAL


def test_a_result_stands_without_its_source(
    repository: Repository, store: ObjectStore, job: str, look: Callable[[], AuditReport], mend: MendNow
) -> None:
    item = repository.items(job, limit=1)[0]
    store.delete([str(item.source_key)])
    assert mend() == {Mended.FORGOTTEN: 1}
    assert repository.job(job).state is JobStatus.SUCCEEDED
    assert look().is_clean


@pytest.mark.parametrize(
    "values", [{"state": "failed"}, {"finished_at": None}, {"state": "running", "finished_at": None}]
)
def test_a_job_gets_the_state_that_its_items_say(
    database: Database,
    repository: Repository,
    job: str,
    look: Callable[[], AuditReport],
    mend: MendNow,
    values: dict[str, object],
) -> None:
    with database.write() as connection:
        connection.execute(update(JobRow).values(**values))
    assert mend() == {Mended.REOPENED: 1}
    assert repository.job(job).state is JobStatus.SUCCEEDED
    assert look().is_clean


def test_a_closed_job_with_open_items_goes_on(
    database: Database, repository: Repository, store: ObjectStore, look: Callable[[], AuditReport], mend: MendNow
) -> None:
    job_id = submit(repository, store, 2)
    with database.write() as connection:
        connection.execute(update(JobRow).values(state="succeeded", finished_at=1.0))
    assert mend() == {Mended.REOPENED: 1}
    assert repository.job(job_id).state is JobStatus.QUEUED
    assert look().is_clean


def test_counts_are_counted_again(database: Database, job: str, look: Callable[[], AuditReport], mend: MendNow) -> None:
    with database.write() as connection:
        connection.execute(update(ShardRow).values(total=7, pending=3, succeeded=0))
    assert mend()[Mended.RECOUNTED] == 1
    assert look().is_clean


def test_orphans_are_deleted_and_nothing_else(
    store: ObjectStore, job: str, look: Callable[[], AuditReport], mend: MendNow
) -> None:
    objects = {info.key for info in store.list("jobs/")}
    for key in (keys.mask(job, new_id()), f"jobs/{job}/else", keys.mask(new_id(), new_id())):
        store.put(key, MASK)
    assert mend() == {Mended.DELETED: 3}
    assert {info.key for info in store.list("jobs/")} == objects
    assert look().is_clean


def test_what_needs_a_person_stays_and_is_found_again(
    database: Database, job: str, look: Callable[[], AuditReport], mend: MendNow
) -> None:
    with database.write() as connection:
        connection.execute(update(ItemRow).values(attempts=9))
    before = look().findings
    assert mend() == {}
    assert look().findings == before


def test_a_store_without_any_job_is_taken_for_another_one(
    database: Database, repository: Repository, job: str, look: Callable[[], AuditReport]
) -> None:
    other = open_store(f"memory://{new_id()}")
    findings = audit(database, other, grace=-1.0).findings
    with pytest.raises(UsageError, match="check STORE_URL; nothing was repaired"):
        Repair(database, other).mend(findings)
    assert repository.job(job).counts == ItemCounts(succeeded=3)
    assert look().is_clean
