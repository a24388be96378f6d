"""Mending what an audit found, where that can be done without a doubt; what is in work is left alone.

    shard               counts are counted again
    missing, damaged    an item whose result is gone is done again where its source is there, else it fails with
                        `result_missing`; a result whose source is gone stands, and names no source any more
    job, unclosed       a job that its items contradict is reopened, and ends again once they have ended
    orphan              deleted

Whatever else is found needs a person. Every write is a compare-and-set under the locks that all writers take, so
work that went on since the audit is not undone.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select, update

from shared.db.database import Database, db_now
from shared.db.tables.jobs import STAYS, ItemRow, JobRow, ShardRow
from shared.errors import ItemErrorCode, UsageError
from shared.jobs import shards
from shared.jobs.records import Success
from shared.jobs.repository import Repository
from shared.jobs.reviews import forget_grade
from shared.jobs.state import ItemEvent, ItemStatus, JobEvent
from shared.jobs.steps import MAYBE_SUBMITTED, move, move_job
from shared.store import ObjectInfo, ObjectStore, keys
from shared.store.keys import KeyKind
from shared.upkeep.audit import Finding, FindingKind
from shared.upkeep.retention import Retention, RetentionRules

log = logging.getLogger(__name__)

_OBJECTS_AT_ONCE = 500
# What a result leaves in an item's row, and a redone or lost one loses. A synthetic item's source is made anew.
_NO_RESULT: dict[str, Any] = dict.fromkeys(
    field.name for field in fields(Success) if field.name not in ("item_id", *MAYBE_SUBMITTED)
)
_REDONE: Mapping[str, Any] = {"attempts": 0, "quarantined": False, "worker": None, "finished_at": None}


class Mended(StrEnum):
    """What was done about findings."""

    RECOUNTED = "recounted"
    REDONE = "redone"
    LOST = "lost"
    FORGOTTEN = "forgotten"
    REOPENED = "reopened"
    DELETED = "deleted"

    def of(self, count: int) -> str:
        """Return what was done about so many: `2 jobs reopened or ended`."""
        noun, done = _TEXTS[self]
        return f"{count:,} {noun}{'' if count == 1 else 's'} {done}"


_TEXTS: Mapping[Mended, tuple[str, str]] = {
    Mended.RECOUNTED: ("shard", "counted again"),
    Mended.REDONE: ("image", "put back to be done again"),
    Mended.LOST: ("image", "failed, since neither result nor source is there"),
    Mended.FORGOTTEN: ("source", "forgotten that is gone"),
    Mended.REOPENED: ("job", "reopened or ended"),
    Mended.DELETED: ("orphaned object", "deleted"),
}


class Repair:
    """Mends the findings of an audit."""

    def __init__(self, database: Database, store: ObjectStore) -> None:
        self._database = database
        self._store = store
        self._repository = Repository(database)
        self._retention = Retention(database, store, RetentionRules(tidy_after=0.0))
        self._done: Counter[Mended] = Counter()

    def mend(self, findings: Iterable[Finding]) -> Mapping[Mended, int]:
        """Mend what can be; return how often each thing was done.

        Raises:
            Retryable: a service is away; the repair can be repeated.
            UsageError: the store holds no job at all, so that it is more likely another than one that lost everything.
        """
        by_kind: dict[FindingKind, list[Finding]] = defaultdict(list)
        for finding in findings:
            by_kind[finding.kind].append(finding)
        if by_kind[FindingKind.MISSING] and next(self._store.folders("jobs/"), None) is None:
            raise UsageError(f"there is no job in {self._store.url}: check STORE_URL; nothing was repaired")
        for job_id in _jobs(by_kind[FindingKind.SHARD]):
            self._recount(job_id)
        # Counts first: what follows ends jobs by them.
        spoiled: dict[str, list[Finding]] = defaultdict(list)
        for finding in (*by_kind[FindingKind.MISSING], *by_kind[FindingKind.DAMAGED]):
            if finding.item is not None:
                spoiled[finding.item].append(finding)
        for item_id, of_item in spoiled.items():
            self._mend_item(item_id, of_item)
        for job_id in _jobs((*by_kind[FindingKind.JOB], *by_kind[FindingKind.UNCLOSED])):
            self._settle(job_id)
        self._delete_orphans(by_kind[FindingKind.ORPHAN])
        return dict(self._done)

    def _recount(self, job_id: str) -> None:
        total = select(func.count()).where(ItemRow.shard_id == ShardRow.id).correlate(ShardRow).scalar_subquery()
        with self._database.write() as connection:
            shards.lock_all(connection, job_id)
            connection.execute(update(ShardRow).where(ShardRow.job_id == job_id).values(total=total))
            shards.recount_all(connection, job_id)
        self._note(Mended.RECOUNTED, job_id)

    def _mend_item(self, item_id: str, findings: list[Finding]) -> None:
        item = self._repository.item(item_id)
        if item is None or item.state is not ItemStatus.SUCCEEDED:
            return
        has_source = item.source_key is not None and self._store.exists(item.source_key)
        source_only = all(_is_source(finding) for finding in findings)
        if source_only and item.synthesis is None:
            # A damaged source stays as it is: the result was made from it, or it was changed by somebody.
            if not has_source:
                self._forget_source(item_id, str(item.source_key))
            return
        was_given = item.synthesis is None and item.truth_key is not None
        truth_key = item.truth_key if was_given and self._store.exists(str(item.truth_key)) else None
        self._redo_or_lose(item.job_id, item_id, truth_key, can_redo=has_source or item.synthesis is not None)

    def _forget_source(self, item_id: str, key: str) -> None:
        with self._database.write() as connection:
            statement = update(ItemRow).where(ItemRow.id == item_id, ItemRow.source_key == key)
            if connection.execute(statement.values(source_key=None)).rowcount:
                self._note(Mended.FORGOTTEN, item_id)

    def _redo_or_lose(self, job_id: str, item_id: str, truth_key: str | None, *, can_redo: bool) -> None:
        with self._database.write() as connection:
            shard_id = connection.execute(select(ItemRow.shard_id).where(ItemRow.id == item_id)).scalar_one_or_none()
            if shard_id is None or shards.lock(connection, shard_id) is None:
                return
            query = select(JobRow.cancel_requested_at).where(JobRow.id == job_id, STAYS).with_for_update()
            job = connection.execute(query).one_or_none()
            if job is None:
                return
            # In a cancelled job nothing is done again.
            event = ItemEvent.REDO if can_redo and job.cancel_requested_at is None else ItemEvent.LOSE
            values = _NO_RESULT | {"truth_key": truth_key}
            if event is ItemEvent.REDO:
                values |= _REDONE
            else:
                values |= {
                    "error_code": ItemErrorCode.RESULT_MISSING,
                    "error": "objects of its result are gone from the object store, and its source too",
                    "finished_at": db_now(),
                }
            if not connection.execute(move(event, ItemRow.id == item_id, **values)).rowcount:
                return
            forget_grade(connection, item_id)
            connection.execute(
                update(ShardRow).where(ShardRow.id == shard_id).values(not_before=0.0, releases=0, published_at=None)
            )
            shards.recount(connection, shard_id)
            _reopen(connection, job_id)
        self._repository.close_if_finished(job_id)
        self._note(Mended.REDONE if event is ItemEvent.REDO else Mended.LOST, item_id)

    def _settle(self, job_id: str) -> None:
        with self._database.write() as connection:
            reopened = _reopen(connection, job_id)
        ended = self._repository.close_if_finished(job_id) is not None
        if reopened or ended:
            self._note(Mended.REOPENED, job_id)

    def _delete_orphans(self, findings: Iterable[Finding]) -> None:
        by_job: dict[str | None, list[str]] = defaultdict(list)
        for finding in findings:
            if finding.key is not None:
                by_job[finding.job].append(finding.key)
        for job_id, orphans in by_job.items():
            for page in _pages(orphans):
                self._done[Mended.DELETED] += (
                    self._delete_of_nobody(page)
                    if job_id is None
                    else self._retention.delete_waste(job_id, [ObjectInfo(key, 0) for key in page])
                )

    def _delete_of_nobody(self, page: list[str]) -> int:
        # Asked again: the audit may be some time ago.
        owner = {key: key.split("/")[1] for key in page}
        with self._database.read() as connection:
            known = set(connection.execute(select(JobRow.id).where(JobRow.id.in_(owner.values()))).scalars())
        orphans = [key for key in page if owner[key] not in known]
        self._store.delete(orphans)
        return len(orphans)

    def _note(self, what: Mended, subject: str) -> None:
        self._done[what] += 1
        log.info("repair: %s: %s", what, subject, extra={"action": "repaired"})


def _reopen(connection: Connection, job_id: str) -> bool:
    values = {"finished_at": None, "tidied_at": None, "sealed_at": func.coalesce(JobRow.sealed_at, db_now())}
    return bool(connection.execute(move_job(JobEvent.REOPEN, (JobRow.id == job_id) & STAYS, **values)).rowcount)


def _is_source(finding: Finding) -> bool:
    return finding.key is not None and keys.parse(finding.key).kind is KeyKind.SOURCE


def _jobs(findings: Iterable[Finding]) -> list[str]:
    return list(dict.fromkeys(finding.job for finding in findings if finding.job is not None))


def _pages(orphans: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(orphans), _OBJECTS_AT_ONCE):
        yield orphans[start : start + _OBJECTS_AT_ONCE]
