from collections.abc import Callable

import pytest
from sqlalchemy import func, select, update

from shared.db.database import Database
from shared.db.tables.base import new_id
from shared.db.tables.jobs import ItemRow, JobRow, ShardRow
from shared.errors import JobNotFound, StoreUnavailable, UsageError
from shared.jobs.claims import Claims
from shared.jobs.clones import hold_inputs, inputs
from shared.jobs.repository import Repository
from shared.jobs.state import JobKind, JobStatus
from shared.store import ObjectStore, keys, open_store
from shared.upkeep.audit import audit
from shared.upkeep.retention import Retention, RetentionRules
from tests.unit.upkeep.stored import MASK, finish, submit

DAY = 86400.0
REMOVE = RetentionRules(tidy_after=DAY, remove_jobs_after=30 * DAY)
FORGET = RetentionRules(tidy_after=DAY, remove_sources_after=30 * DAY)
TIDY = RetentionRules(tidy_after=DAY)

MakeEnded = Callable[..., str]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.upkeep.retention._OBJECTS_A_STEP", 3)
    monkeypatch.setattr("shared.upkeep.retention._SHARDS_A_STEP", 1)


@pytest.fixture
def store() -> ObjectStore:
    return open_store(f"memory://{new_id()}")


@pytest.fixture
def ended(database: Database, repository: Repository, claims: Claims, store: ObjectStore) -> MakeEnded:
    """Make a job with a failed and a succeeded item in each of two shards, which ended some days ago."""

    def make(*, days: float) -> str:
        job_id = submit(repository, store, 2, 2)
        finish(repository, claims, store, job_id, failing=1)
        with database.write() as connection:
            connection.execute(
                update(JobRow).where(JobRow.id == job_id).values(finished_at=JobRow.finished_at - days * DAY)
            )
        return job_id

    return make


def rows(database: Database) -> tuple[int, int, int]:
    with database.read() as connection:
        jobs, shards, items = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (JobRow, ShardRow, ItemRow)
        )
    return jobs, shards, items


def objects(store: ObjectStore, job_id: str) -> set[str]:
    return {info.key for info in store.list(keys.job_prefix(job_id))}


def test_old_jobs_go_with_all_they_have_and_others_stay(
    database: Database, repository: Repository, store: ObjectStore, ended: MakeEnded
) -> None:
    old, recent = ended(days=31), ended(days=29)
    going = submit(repository, store, 2)
    retention = Retention(database, store, REMOVE)
    assert retention.due() == [old]
    steps = 0
    # Each step by a process of its own: every one finds in the database what comes next.
    while Retention(database, store, REMOVE)._remove():
        steps += 1
        with pytest.raises(JobNotFound):
            repository.job(old)
        with pytest.raises(JobNotFound):
            repository.retry(old)
        assert [job.id for job in repository.jobs(limit=9)] == [going, recent]
        assert repository.job_ids_ending(old, limit=1) == []
        assert audit(database, store, grace=-1.0).is_clean
    assert steps == 1 + 3 + 2 + 1  # marked, eight objects, two shards, the job
    assert objects(store, old) == set()
    assert len(objects(store, recent)) == 8
    assert rows(database) == (2, 3, 6)


def test_a_job_that_goes_on_is_never_touched(
    database: Database, repository: Repository, store: ObjectStore, ended: MakeEnded
) -> None:
    job_id = ended(days=1000)
    repository.retry(job_id)
    for rules in (REMOVE, FORGET):
        retention = Retention(database, store, rules)
        assert not retention.step()
        assert retention.due() == retention.due(sources_only=True) == []
    assert len(objects(store, job_id)) == 8


def test_an_item_of_a_job_on_its_way_out_is_not_shown(
    database: Database, repository: Repository, store: ObjectStore, ended: MakeEnded
) -> None:
    job_id = ended(days=31)
    item = repository.items(job_id, limit=1)[0].id
    assert repository.item(item) is not None
    assert Retention(database, store, REMOVE).step()
    assert repository.item(item) is None


def test_sources_go_first(database: Database, repository: Repository, store: ObjectStore, ended: MakeEnded) -> None:
    old, recent = ended(days=31), ended(days=29)
    assert Retention(database, store, FORGET).due(sources_only=True) == [old]
    retention = Retention(database, store, FORGET)
    while retention.step():
        assert audit(database, store).is_clean
    assert {keys.parse(key).kind.value for key in objects(store, old)} == {"mask", "prob"}
    assert len(objects(store, recent)) == 8
    assert repository.job(old).state is JobStatus.PARTIAL
    assert audit(database, store, deep=True, grace=-1.0).is_clean
    with pytest.raises(UsageError, match="or are gone"):
        repository.retry(old)


def test_forgetting_sources_goes_on_where_another_process_left_off(
    database: Database, repository: Repository, store: ObjectStore, ended: MakeEnded
) -> None:
    old = ended(days=31)
    left = []
    while Retention(database, store, FORGET).step() and len(left) < 20:
        left.append(sum(item.source_key is not None for item in repository.items(old, limit=9)))
    assert left[:3] == [4, 2, 0]  # marked, then a shard a step
    assert audit(database, store, grace=-1.0).is_clean


def cloned(database: Database, repository: Repository, claims: Claims, store: ObjectStore, job_id: str) -> str:
    """Make a clone of a job, which has just ended."""
    clone = repository.create_job(JobKind.IMAGES, name="clone", submitted_by="t")
    hold_inputs(database, job_id, clone_id=clone)
    repository.add_shard(clone, [item for _, item in inputs(database, job_id, total=4)])
    repository.seal(clone)
    finish(repository, claims, store, clone)
    return clone


@pytest.mark.parametrize("rules", [FORGET, REMOVE])
def test_what_a_clone_reads_stays_as_long_as_the_clone_does(
    database: Database,
    repository: Repository,
    claims: Claims,
    store: ObjectStore,
    ended: MakeEnded,
    rules: RetentionRules,
) -> None:
    old = ended(days=31)
    clone = cloned(database, repository, claims, store, cloned(database, repository, claims, store, old))

    def run_to_the_end() -> None:
        retention = Retention(database, store, rules)
        while retention.step():
            pass

    run_to_the_end()
    read = {str(item.source_key) for item in repository.items(clone, limit=9)}
    assert read == {key for key in objects(store, old) if keys.parse(key).kind.value == "source"}
    assert len(read) == 4
    with database.write() as connection:
        connection.execute(update(JobRow).where(JobRow.id != old).values(finished_at=JobRow.finished_at - 32 * DAY))
    run_to_the_end()
    assert not read & objects(store, old)
    assert audit(database, store, deep=True, grace=-1.0).is_clean


def test_a_clone_of_what_is_being_forgotten_is_not_begun(
    database: Database, repository: Repository, store: ObjectStore, ended: MakeEnded
) -> None:
    old = ended(days=31)
    assert Retention(database, store, FORGET).step()
    with pytest.raises(UsageError, match="removed while it was cloned"):
        hold_inputs(database, old, clone_id=new_id())


def test_leftovers_go_a_while_after_the_end(
    database: Database, repository: Repository, store: ObjectStore, ended: MakeEnded
) -> None:
    job_id, fresh = ended(days=2), ended(days=0)
    failed = repository.items(job_id, limit=1)[0].id
    waste = {keys.mask(job_id, failed), keys.source(job_id, new_id(), ".png"), f"jobs/{job_id}/else"}
    kept = objects(store, job_id)
    for key in (*waste, keys.mask(fresh, new_id())):
        store.put(key, MASK)
    assert not audit(database, store, job_id).is_clean
    retention = Retention(database, store, TIDY)
    while retention.step():
        pass
    assert objects(store, job_id) == kept
    assert audit(database, store, job_id, grace=-1.0).is_clean
    assert len(objects(store, fresh)) == 9
    repository.retry(job_id)
    with database.read() as connection:
        assert connection.execute(select(JobRow.tidied_at).where(JobRow.id == job_id)).scalar_one() is None


def test_a_retry_that_comes_first_keeps_what_its_worker_stores(
    database: Database, repository: Repository, store: ObjectStore, ended: MakeEnded
) -> None:
    job_id = ended(days=2)
    failed = repository.items(job_id, limit=1)[0].id
    store.put(keys.mask(job_id, failed), MASK)
    retention = Retention(database, store, TIDY)
    page = list(store.list(keys.job_prefix(job_id)))
    repository.retry(job_id)
    assert retention.delete_waste(job_id, page) == 0
    assert keys.mask(job_id, failed) in objects(store, job_id)


def test_a_listing_that_breaks_off_is_begun_again(
    database: Database, store: ObjectStore, ended: MakeEnded, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = ended(days=2)
    last = keys.source(job_id, new_id())
    store.put(last, MASK)
    retention = Retention(database, store, TIDY)
    listing = store.list

    def breaks_off(prefix: str) -> object:
        yield next(listing(prefix))
        raise StoreUnavailable("away")

    monkeypatch.setattr(store, "list", breaks_off)
    with pytest.raises(StoreUnavailable):
        retention.step()
    monkeypatch.undo()
    while retention.step():
        pass
    assert last not in objects(store, job_id)


def test_a_job_that_another_reconciler_has_tidied_is_listed_anew_when_it_ends_again(
    database: Database, store: ObjectStore, ended: MakeEnded
) -> None:
    job_id = ended(days=2)
    slow, fast = (Retention(database, store, TIDY) for _ in range(2))
    assert slow.step()  # a page of several
    while fast.step():
        pass
    assert not slow.step()
    waste = f"jobs/{job_id}/else"
    store.put(waste, MASK)
    with database.write() as connection:
        connection.execute(update(JobRow).where(JobRow.id == job_id).values(tidied_at=None))  # as a retry does
    while slow.step():
        pass
    assert waste not in objects(store, job_id)
