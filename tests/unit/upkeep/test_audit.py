from collections.abc import Callable, Iterator

import numpy as np
import pytest
from sqlalchemy import delete, update

from shared.db.database import Database
from shared.db.measurements import MEASUREMENTS, OF_OBJECTS, REQUIRED
from shared.db.tables.base import new_id
from shared.db.tables.jobs import ItemRow, JobRow, ShardRow
from shared.errors import JobNotFound
from shared.images.codec import encode_mask
from shared.jobs.claims import Claims
from shared.jobs.repository import Repository
from shared.store import ObjectInfo, ObjectStore, keys, open_store
from shared.upkeep.audit import Audit, AuditReport, FindingKind, audit
from tests.unit.upkeep.stored import MASK, SOURCE, finish, shards_of, submit, succeeded

CheckNow = Callable[..., AuditReport]


@pytest.fixture
def store() -> ObjectStore:
    return open_store(f"memory://{new_id()}")


@pytest.fixture
def check(database: Database, store: ObjectStore) -> CheckNow:
    def check(job_id: str | None = None, **options: object) -> AuditReport:
        return audit(database, store, job_id, **({"grace": -1.0} | options))  # type: ignore[arg-type]

    return check


@pytest.fixture
def done(repository: Repository, claims: Claims, store: ObjectStore) -> tuple[str, list[str]]:
    """A job of one failed item and three that succeeded."""
    job_id = submit(repository, store, 4)
    return job_id, finish(repository, claims, store, job_id, failing=1)


def test_work_as_it_goes_is_clean_at_every_step(
    repository: Repository, claims: Claims, store: ObjectStore, check: CheckNow
) -> None:
    job_id = submit(repository, store, 3, seal=False)
    store.put(keys.source(job_id, new_id(), ".png"), b"its row comes later")
    assert check().is_clean
    repository.seal(job_id)
    claim = claims.claim(shards_of(repository.database, job_id)[0], worker="w")
    assert claim is not None
    outcome = succeeded(store, job_id, claim.items[0].id)
    assert check(grace=3600.0).is_clean  # objects before their row
    claims.complete(claim, [outcome])
    claims.release(claim)
    assert check(grace=3600.0).is_clean
    repository.cancel(job_id)
    report = check(job_id, deep=True, grace=3600.0)
    assert (report.is_clean, report.jobs, report.items, report.objects) == (True, 1, 3, 6)


def test_a_finished_job_is_clean_and_everything_was_looked_at(done: tuple[str, list[str]], check: CheckNow) -> None:
    job_id, ids = done
    report = check(deep=True)
    assert (report.findings, report.items, report.objects, report.jobs) == ((), 4, 4 + 2 * 3, 1)
    with pytest.raises(JobNotFound):
        check(new_id())
    assert check(job_id).items == len(ids)


@pytest.mark.parametrize(
    ("values", "kind", "detail"),
    [
        ({"token": "t"}, FindingKind.ITEM, "succeeded, but has a token"),
        ({"mask_key": None}, FindingKind.ITEM, "succeeded, but has no mask_key"),
        *(({name: None}, FindingKind.ITEM, f"succeeded, but has no {name}") for name in sorted(REQUIRED)),
        *(({name: -0.01}, FindingKind.ITEM, f"{name} is -0.01, outside of ") for name in MEASUREMENTS),
        *(
            ({name: 1.01}, FindingKind.ITEM, f"{name} is 1.01, outside of ")
            for name in MEASUREMENTS
            if name not in OF_OBJECTS
        ),
        ({"dice": -0.1}, FindingKind.ITEM, "dice is -0.1, outside of 0 to 1"),
        ({"confidence": 0.4}, FindingKind.ITEM, "confidence is 0.4, outside of 0.5 to 1"),
        ({"mask_key": "masks/else"}, FindingKind.ITEM, "not the item's own"),
        ({"error_code": "internal"}, FindingKind.ITEM, "succeeded, but has a error_code"),
        ({"attempts": 4}, FindingKind.ATTEMPTS, "4 attempts, where 3 are the most"),
        ({"attempts": 0}, FindingKind.ATTEMPTS, "succeeded without an attempt"),
        ({"state": "running"}, FindingKind.ITEM, "running, but has no token"),
        ({"state": "running"}, FindingKind.SHARD, "shard 0 says 0 running, and has 1"),
        ({"state": "lost"}, FindingKind.ITEM, "the state 'lost' is none"),
        ({"state": "failed", "error_code": "odd"}, FindingKind.ITEM, "the error code 'odd' is none"),
    ],
)
def test_a_row_that_does_not_fit_is_found(
    database: Database,
    done: tuple[str, list[str]],
    check: CheckNow,
    values: dict[str, object],
    kind: FindingKind,
    detail: str,
) -> None:
    job_id, ids = done
    with database.write() as connection:
        connection.execute(update(ItemRow).where(ItemRow.id == ids[2]).values(**values))
    found = [each for each in check().findings if each.kind is kind and detail in each.detail]
    assert len(found) == 1
    assert (found[0].job, found[0].item) == (job_id, None if kind is FindingKind.SHARD else ids[2])


@pytest.mark.parametrize(
    ("values", "kind", "detail"),
    [
        ({"state": "succeeded"}, FindingKind.JOB, "succeeded, but its items say partial"),
        ({"state": "running", "started_at": None, "finished_at": None}, FindingKind.JOB, "but has no started_at"),
        ({"finished_at": None}, FindingKind.JOB, "partial, but has no finished_at"),
        ({"state": "running", "finished_at": None}, FindingKind.UNCLOSED, "all of its items have ended"),
    ],
)
def test_a_job_that_does_not_fit_is_found(
    database: Database,
    done: tuple[str, list[str]],
    check: CheckNow,
    values: dict[str, object],
    kind: FindingKind,
    detail: str,
) -> None:
    with database.write() as connection:
        connection.execute(update(JobRow).values(**values))
    assert [(each.kind, detail in each.detail) for each in check().findings if each.kind is kind] == [(kind, True)]


def test_a_closed_job_with_open_items_is_found(
    database: Database, repository: Repository, store: ObjectStore, check: CheckNow
) -> None:
    submit(repository, store, 2)
    with database.write() as connection:
        connection.execute(update(JobRow).values(state="succeeded", finished_at=1.0))
    assert [each.detail for each in check().findings] == ["succeeded, but 2 of its items are open"]


def test_a_lease_that_nobody_frees_is_found(
    repository: Repository, impatient: Claims, store: ObjectStore, check: CheckNow
) -> None:
    job_id = submit(repository, store, 1)
    impatient.claim(shards_of(repository.database, job_id)[0], worker="w")
    assert check(grace=3600.0).is_clean
    assert [each.kind for each in check(grace=0.0).findings] == [FindingKind.LEASE]


def test_wrong_counts_are_found(database: Database, done: tuple[str, list[str]], check: CheckNow) -> None:
    with database.write() as connection:
        connection.execute(update(ShardRow).values(total=7))
    assert [each.detail for each in check().findings] == ["shard 0 says 7 items, and has 4"]


def test_objects_that_are_gone_damaged_or_of_nobody_are_found(
    database: Database, store: ObjectStore, done: tuple[str, list[str]], check: CheckNow
) -> None:
    job_id, (bad, first, second, third) = done
    store.delete([keys.mask(job_id, first), keys.source(job_id, second, ".png")])
    store.put(keys.probability(job_id, second), b"")
    store.put(keys.mask(job_id, third), encode_mask(np.zeros((30, 20), bool)))
    store.put(keys.source(job_id, third, ".png"), SOURCE + b"more")
    store.put(keys.mask(job_id, bad), MASK)
    store.put(keys.mask(job_id, new_id()), MASK)
    store.put(f"jobs/{job_id}/else", MASK)
    other = keys.mask(new_id(), new_id())
    store.put(other, MASK)
    found = {(each.kind, each.key) for each in check().findings}
    assert len(found) == len(check().findings) == 8
    expected = {
        (FindingKind.MISSING, keys.mask(job_id, first)),
        (FindingKind.MISSING, keys.source(job_id, second, ".png")),
        (FindingKind.DAMAGED, keys.probability(job_id, second)),
        (FindingKind.DAMAGED, keys.source(job_id, third, ".png")),
        (FindingKind.ORPHAN, keys.mask(job_id, bad)),
        (FindingKind.ORPHAN, f"jobs/{job_id}/else"),
        (FindingKind.ORPHAN, other),
    }
    assert expected < found
    deep = {(each.kind, each.key, each.detail) for each in check(deep=True).findings}
    size = f"{keys.mask(job_id, third)} has 20×30 pixels, its item 30×20"
    assert (FindingKind.DAMAGED, keys.mask(job_id, third), size) in deep
    assert any("cannot be read" in detail for _, _, detail in deep)
    # What a job leaves at its end has a while to be cleared away.
    assert {each.key for each in check(grace=3600.0).findings if each.kind is FindingKind.ORPHAN} == {other}


def test_rows_and_objects_come_in_pages(
    repository: Repository, claims: Claims, store: ObjectStore, check: CheckNow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.upkeep.audit._PAGE", 2)
    for _ in range(3):
        job_id = submit(repository, store, 5)
        finish(repository, claims, store, job_id, failing=1)
    store.delete([keys.mask(job_id, repository.items(job_id, limit=9)[4].id)])
    report = check(deep=True)
    assert (report.jobs, report.items, report.objects) == (3, 15, 15 + 2 * 12 - 1)
    assert [each.kind for each in report.findings] == [FindingKind.MISSING]


def test_a_job_removed_under_the_audit_is_no_finding(
    database: Database, store: ObjectStore, done: tuple[str, list[str]]
) -> None:
    job_id, _ = done
    run = Audit(database, store, grace=-1.0)
    rows = run._row
    found = []

    def row(*arguments: object) -> object:
        with database.write() as connection:
            connection.execute(delete(JobRow).where(JobRow.id == job_id))
        store.delete_prefix(keys.job_prefix(job_id))
        return rows(*arguments)  # type: ignore[arg-type]

    run._row = row  # type: ignore[method-assign,assignment]
    found = [*run.findings(job_id)]
    assert found == []


def test_a_job_whose_removal_begins_meanwhile_misses_nothing(
    database: Database, store: ObjectStore, done: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, _ = done
    listing = store.list

    def list_late(prefix: str) -> Iterator[ObjectInfo]:
        with database.write() as connection:
            connection.execute(update(JobRow).where(JobRow.id == job_id).values(removal_started_at=1.0))
        store.delete([info.key for info in listing(prefix)])
        return listing(prefix)

    monkeypatch.setattr(store, "list", list_late)
    assert audit(database, store, job_id, grace=-1.0).is_clean
