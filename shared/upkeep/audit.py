"""The audit: SQL against the object store, row by row and object by object.

It can run while everything works: what may still be under way (a lease that ran out just now, a job whose last item
has just ended, leftovers of a job that ended a moment ago) is given `grace` seconds, and what looks missing is looked
up again before it is reported. Memory stays flat: rows come by key in pages, objects in pages, and all that is kept
of a job is one byte for each of its items.
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import chain, islice
from typing import Any, NamedTuple

from sqlalchemy import Select, case, func, select

from shared.db.database import Database, db_now
from shared.db.tables.jobs import STAYS, ItemRow, JobRow, ShardRow
from shared.errors import JobNotFound
from shared.jobs.state import ItemCounts, ItemStatus, JobStatus
from shared.store import ObjectInfo, ObjectStore, keys
from shared.store.keys import KeyKind
from shared.store.references import is_reference
from shared.upkeep.deep_audit import damage
from shared.upkeep.invariants import attempts_faults, item_faults, job_faults, shard_faults
from shared.upkeep.ownership import NAMED_BY, owned

GRACE_SECONDS = 300.0

_PAGE = 500
_READERS = 4  # threads that read and decode in a deep audit
_MAX_FINDINGS = 10_000  # kept in a report; what is beyond is counted

# The bit of each kind of object among those that were seen.
_BIT = {kind: 1 << place for place, kind in enumerate(NAMED_BY)}


class FindingKind(StrEnum):
    """What can be wrong. Stable: scripts may rely on these words."""

    ITEM = "item"  # columns that do not fit the item's state
    ATTEMPTS = "attempts"  # more than the cap, or none where there must have been one
    LEASE = "lease"  # it ran out, and no reconciler freed it
    SHARD = "shard"  # counts that are not those of its items
    JOB = "job"  # a state that does not fit its columns or counts
    UNCLOSED = "unclosed"  # all items have ended, and no reconciler ended the job
    MISSING = "missing"  # an object that a succeeded item names is not there
    DAMAGED = "damaged"  # … is there, but empty, undecodable or of another size
    ORPHAN = "orphan"  # an object that no row names


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `job` and `item` are ids, None where it is not about one."""

    kind: FindingKind
    job: str | None
    item: str | None
    detail: str
    key: str | None = None  # of the object that it is about


@dataclass(frozen=True)
class AuditReport:
    """What an audit found, and how much it looked at. `more` findings were counted, not kept."""

    findings: tuple[Finding, ...]
    items: int
    objects: int
    jobs: int
    more: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return {"clean": self.is_clean} | asdict(self)


class _JobAtHand(NamedTuple):
    row: Mapping[str, Any]
    counts: ItemCounts
    now: float
    last_end: float | None  # of its items


class Audit:
    """One audit; `findings` yields as it goes and counts what it looked at.

    Args:
        database, store: the two that are compared.
        deep: read and decode every object of a result too.
        grace: seconds that the reconciler is given, see the module.
        max_attempts: the cap on attempts, as in the settings.
    """

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        *,
        deep: bool = False,
        grace: float = GRACE_SECONDS,
        max_attempts: int = 3,
    ) -> None:
        self._database = database
        self._store = store
        self._deep = deep
        self._grace = grace
        self._max_attempts = max_attempts
        self.items = self.objects = self.jobs = 0

    def findings(self, job_id: str | None = None) -> Iterator[Finding]:
        """Yield what is wrong with one job, or with all of them and the objects of none; JobNotFound."""
        if job_id is not None:
            if (job := self._job(job_id)) is None:
                raise JobNotFound(f"there is no job {job_id}: `producer status` lists the jobs")
            yield from self._of_job(job)
            return
        last = ""
        while ids := self._column(select(JobRow.id).where(JobRow.id > last).order_by(JobRow.id).limit(_PAGE)):
            for each in ids:
                if (job := self._job(each)) is not None:
                    yield from self._of_job(job)
            last = ids[-1]
        yield from self._of_no_job()

    def _of_job(self, job: _JobAtHand) -> Iterator[Finding]:
        job_id = job.row["id"]
        self.jobs += 1
        for detail in job_faults(job.row, job.counts):
            yield Finding(FindingKind.JOB, job_id, None, detail)
        ended = max(filter(None, (job.row["sealed_at"], job.last_end)), default=None)
        is_open = job.row["finished_at"] is None and job.row["sealed_at"] is not None
        if is_open and not (job.counts.pending + job.counts.running) and job.now - (ended or 0.0) > self._grace:
            yield Finding(FindingKind.UNCLOSED, job_id, None, "all of its items have ended, but it goes on")
        yield from self._shards(job_id)
        # Objects before rows: what a worker stores from now on has a row that says so when the rows are read.
        seen = bytearray(1 + self._column(select(func.coalesce(func.max(ItemRow.number), -1)).where(_in(job_id)))[0])
        listed = self._store.list(keys.job_prefix(job_id))
        while page := list(islice(listed, _PAGE)):
            self.objects += len(page)
            yield from self._listed(job, page, seen)
        yield from self._rows(job, seen)

    def _shards(self, job_id: str) -> Iterator[Finding]:
        last = -1
        while True:
            page = (
                select(ShardRow)
                .where(ShardRow.job_id == job_id, ShardRow.number > last)
                .order_by(ShardRow.number)
                .limit(_PAGE)
                .subquery()
            )
            counted = [func.count(case((ItemRow.state == state, 1))).label(f"counted_{state}") for state in ItemStatus]
            # One statement, one moment: the counts are true in every committed state.
            query = (
                select(*page.c, *counted).outerjoin(ItemRow, ItemRow.shard_id == page.c.id).group_by(*page.c)
            ).order_by(page.c.number)
            rows = self._rows_of(query)
            for row in rows:
                items = ItemCounts(**{state.value: row[f"counted_{state}"] for state in ItemStatus})
                for detail in shard_faults(row, items):
                    yield Finding(FindingKind.SHARD, job_id, None, detail)
            if not rows:
                return
            last = rows[-1]["number"]

    def _listed(self, job: _JobAtHand, page: list[ObjectInfo], seen: bytearray) -> Iterator[Finding]:
        """Mark the page's objects as seen; yield those that nobody names, and those that cannot be right."""
        job_id = job.row["id"]
        with self._database.read() as connection:
            listed = list(owned(connection, job_id, page))
        for each in listed:
            info, kind, item = each.info, each.kind, each.item
            if each.is_named and kind is not None and kind in NAMED_BY and item is not None:
                if item["number"] < len(seen):
                    seen[item["number"]] |= _BIT[kind]
                is_input = kind is KeyKind.SOURCE and item["source_bytes"] is not None
                wrong = info.size != item["source_bytes"] if is_input else info.size == 0
                if wrong and item["state"] == ItemStatus.SUCCEEDED:
                    detail = f"{info.key} has {info.size} bytes"
                    yield Finding(FindingKind.DAMAGED, job_id, item["id"], detail, info.key)
            elif each.is_waste and self._is_overdue(job):
                owner = "no item" if item is None else f"a {item['state']} item"
                item_id = None if item is None else item["id"]
                yield Finding(FindingKind.ORPHAN, job_id, item_id, f"{info.key} belongs to {owner}", info.key)

    def _is_overdue(self, job: _JobAtHand) -> bool:
        """Whether the reconciler has had the time to tidy up after a job. Uploads precede their rows until its end."""
        if not JobStatus(job.row["state"]).is_final or job.row["finished_at"] is None:
            return False
        left_at = max(job.row["finished_at"], job.row["sources_removed_at"] or 0.0)
        return bool(job.row["tidied_at"] is not None or job.now - left_at > self._grace)

    def _rows(self, job: _JobAtHand, seen: bytearray) -> Iterator[Finding]:
        job_id, last = job.row["id"], -1
        query = select(ItemRow.__table__).where(_in(job_id)).order_by(ItemRow.number).limit(_PAGE)
        with ThreadPoolExecutor(_READERS, thread_name_prefix="audit") as readers:
            while rows := self._rows_of(query.where(ItemRow.number > last)):
                self.items += len(rows)
                for row in rows:
                    yield from self._row(job, row, seen[row["number"]] if row["number"] < len(seen) else 0)
                if self._deep:
                    succeeded = (row for row in rows if row["state"] == ItemStatus.SUCCEEDED)
                    found = readers.map(lambda row: (row, list(damage(row, self._store))), succeeded)
                    for row, details in found:
                        for key, detail in details:
                            yield Finding(FindingKind.DAMAGED, job_id, row["id"], detail, key)
                last = rows[-1]["number"]

    def _row(self, job: _JobAtHand, row: Mapping[str, Any], seen: int) -> Iterator[Finding]:
        job_id = row["job_id"]
        for detail in item_faults(row):
            yield Finding(FindingKind.ITEM, job_id, row["id"], detail)
        for detail in attempts_faults(row, cap=self._max_attempts):
            yield Finding(FindingKind.ATTEMPTS, job_id, row["id"], detail)
        lease = row["lease_until"]
        if row["state"] == ItemStatus.RUNNING and lease is not None and job.now - lease > self._grace:
            yield Finding(FindingKind.LEASE, job_id, row["id"], f"its lease ran out {job.now - lease:.0f} s ago")
        if row["state"] != ItemStatus.SUCCEEDED:
            return
        for kind, column in NAMED_BY.items():
            key = row[column]
            # Somebody's own object may go when it likes: the result stands, and says what it was made of.
            if key is None or seen & _BIT[kind] or is_reference(key):
                continue
            # It may have been stored after the listing, or its row may have changed: both are asked again.
            if not self._store.exists(key) and self._names(row["id"], column, key):
                yield Finding(FindingKind.MISSING, job_id, row["id"], f"{key} is not in the object store", key)

    def _of_no_job(self) -> Iterator[Finding]:
        folders = self._store.folders("jobs/")
        while page := list(islice(folders, _PAGE)):
            ids = {folder: folder.removeprefix("jobs/").rstrip("/") for folder in page}
            known = set(self._column(select(JobRow.id).where(JobRow.id.in_(ids.values()))))
            for info in chain.from_iterable(self._store.list(each) for each in page if ids[each] not in known):
                self.objects += 1
                yield Finding(FindingKind.ORPHAN, None, None, f"{info.key} belongs to no job", info.key)

    def _job(self, job_id: str) -> _JobAtHand | None:
        sums = [func.sum(getattr(ShardRow, state.value)).label(f"sum_{state}") for state in ItemStatus]
        last_end = select(func.max(ItemRow.finished_at)).where(_in(job_id)).scalar_subquery()
        query = (
            select(JobRow.__table__, *sums, db_now().label("now"), last_end.label("last_end"))
            .outerjoin(ShardRow, ShardRow.job_id == JobRow.id)
            .where(JobRow.id == job_id, STAYS)
            .group_by(JobRow.id)
        )
        rows = self._rows_of(query)
        if not rows:
            return None
        row = rows[0]
        counts = ItemCounts(**{state.value: int(row[f"sum_{state}"] or 0) for state in ItemStatus})
        return _JobAtHand(row, counts, row["now"], row["last_end"])

    def _names(self, item_id: str, column: str, key: str) -> bool:
        # Not a job's that is being removed: its objects go before its rows.
        query = select(ItemRow.id).join(JobRow, JobRow.id == ItemRow.job_id).where(ItemRow.id == item_id, STAYS)
        return bool(self._column(query.where(getattr(ItemRow, column) == key, ItemRow.state == ItemStatus.SUCCEEDED)))

    def _rows_of(self, query: Select[Any]) -> list[Mapping[str, Any]]:
        with self._database.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def _column(self, query: Select[Any]) -> list[Any]:
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())


def audit(
    database: Database,
    store: ObjectStore,
    job_id: str | None = None,
    *,
    deep: bool = False,
    grace: float = GRACE_SECONDS,
    max_attempts: int = 3,
) -> AuditReport:
    """Audit one job, or everything, and return the report; the arguments are those of `Audit`.

    Raises:
        JobNotFound: no such job.
        Retryable: database or store went away; the audit can be repeated.
    """
    run = Audit(database, store, deep=deep, grace=grace, max_attempts=max_attempts)
    return report_of(run, run.findings(job_id))


def report_of(run: Audit, findings: Iterable[Finding]) -> AuditReport:
    """Return the report of an audit's findings, drawn to their end."""
    iterator = iter(findings)
    kept = tuple(islice(iterator, _MAX_FINDINGS))
    more = sum(1 for _ in iterator)
    return AuditReport(kept, items=run.items, objects=run.objects, jobs=run.jobs, more=more)


def _in(job_id: str) -> Any:
    return ItemRow.job_id == job_id
