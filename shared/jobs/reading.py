"""Jobs and items as they stand, for status, download and the admin."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Label, Select, case, func, select
from sqlalchemy.orm import InstrumentedAttribute

from shared.db.database import Database, db_now
from shared.db.tables.jobs import HAS_FAILED, HAS_NOTE, STAYS, ItemRow, JobRow, ShardRow
from shared.db.tables.models import ModelRow
from shared.db.tables.reviews import ReviewRow
from shared.errors import ItemErrorCode, JobNotFound
from shared.images.notes import OTHER_NOTE, note_codes
from shared.jobs.item_filter import MARKED
from shared.jobs.pace import worked_of, worked_seconds
from shared.jobs.records import Item, Job, Mark, Marks, ScoreSums, Unfamiliar
from shared.jobs.reviews import REVIEW_COLUMNS, TEACHES, review_of
from shared.jobs.state import ItemCounts, ItemStatus, JobKind, JobStatus

_COUNT_COLUMNS = [
    func.coalesce(func.sum(getattr(ShardRow, count.name)), 0).label(count.name) for count in fields(ItemCounts)
]
_COMPUTED = ("counts", "quiet_for", "model_name")


def quiet_for() -> ColumnElement[float]:
    """Return for how many seconds nobody has been seen submitting a job."""
    return db_now() - func.coalesce(JobRow.submission_seen_at, JobRow.created_at)


def _name_of(model: InstrumentedAttribute[str | None]) -> Label[str]:
    return select(ModelRow.name).where(ModelRow.sha256 == model).scalar_subquery().label("model_name")


_JOB_COLUMNS = [
    *(getattr(JobRow, field.name) for field in fields(Job) if field.name not in _COMPUTED),
    case((JobRow.sealed_at.is_(None), quiet_for())).label("quiet_for"),
    _name_of(JobRow.model),
]
_ITEM_FIELDS = [field.name for field in fields(Item) if field.name != "review"]
_ITEM_COLUMNS = [
    *(getattr(ItemRow, name) for name in _ITEM_FIELDS if name != "model_name"),
    _name_of(ItemRow.model),
    *REVIEW_COLUMNS,
]


class JobReader:
    """Reads the jobs of one database; those that are being removed are not there any more."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def job(self, job_id: str) -> Job:
        """Return a job by its id.

        Raises:
            JobNotFound: there is none.
        """
        with self.database.read() as connection:
            rows = _jobs(connection, select(*_JOB_COLUMNS).where(JobRow.id == job_id, STAYS))
        if not rows:
            raise _not_found(job_id)
        return rows[0]

    def kind(self, job_id: str) -> JobKind:
        """Return a job's kind alone, without counting its items.

        Raises:
            JobNotFound: there is no such job.
        """
        return JobKind(self._value(JobRow.kind, job_id))

    def state(self, job_id: str) -> JobStatus:
        """Return a job's state alone, without counting its items.

        Raises:
            JobNotFound: there is no such job.
        """
        return JobStatus(self._value(JobRow.state, job_id))

    def channel(self, job_id: str) -> str:
        """Return what of its images' channels a job takes, without counting its items.

        Raises:
            JobNotFound: there is no such job.
        """
        return str(self._value(JobRow.channel, job_id))

    def _value(self, column: InstrumentedAttribute[Any], job_id: str) -> Any:
        with self.database.read() as connection:
            value = connection.execute(select(column).where(JobRow.id == job_id, STAYS)).scalar_one_or_none()
        if value is None:
            raise _not_found(job_id)
        return value

    def jobs(self, *, limit: int, before: str | None = None) -> list[Job]:
        """Return the newest jobs first; `before` is the last id of the page before."""
        query = select(*_JOB_COLUMNS).where(STAYS).order_by(JobRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(JobRow.id < before)
        with self.database.read() as connection:
            return _jobs(connection, query)

    def jobs_of(self, ids: Sequence[str]) -> list[Job]:
        """Return the jobs of these ids in their order, without those that are not there any more."""
        query = select(*_JOB_COLUMNS).where(JobRow.id.in_(ids), STAYS)
        with self.database.read() as connection:
            found = {job.id: job for job in _jobs(connection, query)}
        return [found[job_id] for job_id in ids if job_id in found]

    def job_ids_ending(self, ending: str, *, limit: int) -> list[str]:
        """Return ids that end in this text, the newest first."""
        fits = JobRow.id.endswith(ending, autoescape=True)
        query = select(JobRow.id).where(fits, STAYS).order_by(JobRow.id.desc())
        with self.database.read() as connection:
            return list(connection.execute(query.limit(limit)).scalars())

    def items(
        self,
        job_id: str,
        *,
        limit: int,
        after: int = -1,
        states: Sequence[ItemStatus] = (),
        mark: Mark | None = None,
    ) -> list[Item]:
        """Return items of a job by number, from the one after number `after`; of one mark alone if it is given."""
        query = item_rows().where(ItemRow.job_id == job_id, ItemRow.number > after)
        if states:
            query = query.where(ItemRow.state.in_(states))
        if mark is not None:
            query = query.where(MARKED[mark])
        with self.database.read() as connection:
            return [item_of(row) for row in connection.execute(query.order_by(ItemRow.number).limit(limit))]

    def teaching(self, job_id: str | None = None, *, limit: int, after: str = "") -> list[Item]:
        """Return results that are pairs to train on, of a job or of all, by id, from the one after the id `after`."""
        query = item_rows().join(JobRow, JobRow.id == ItemRow.job_id).where(TEACHES, STAYS, ItemRow.id > after)
        query = query.where(ItemRow.state == ItemStatus.SUCCEEDED)
        if job_id is not None:
            query = query.where(ReviewRow.job_id == job_id)
        with self.database.read() as connection:
            return [item_of(row) for row in connection.execute(query.order_by(ItemRow.id).limit(limit))]

    def paths(self, job_id: str, *, limit: int, after: int = -1) -> list[tuple[int, str]]:
        """Return numbers and paths alone of items of a job by number, from the one after number `after`."""
        query = select(ItemRow.number, ItemRow.path).where(ItemRow.job_id == job_id, ItemRow.number > after)
        with self.database.read() as connection:
            return [(row.number, row.path) for row in connection.execute(query.order_by(ItemRow.number).limit(limit))]

    def marks(self, job_id: str) -> Marks:
        """Count the results of a job that stand out."""
        in_job = ItemRow.job_id == job_id
        nothing = select(func.count()).where(in_job, MARKED[Mark.NOTHING_FOUND])
        reasons = select(ItemRow.reason, func.count()).where(in_job, MARKED[Mark.UNFAMILIAR]).group_by(ItemRow.reason)
        noted = select(func.count()).where(in_job, MARKED[Mark.NOTED])
        with self.database.read() as connection:
            counted = {str(reason): int(count) for reason, count in connection.execute(reasons)}
            return Marks(
                nothing_found=int(connection.execute(nothing).scalar_one()),
                unfamiliar=sum(counted.values()),
                reasons=counted,
                noted=int(connection.execute(noted).scalar_one()),
            )

    def notes(self, job_id: str) -> Mapping[str, int]:
        """Count the notes of a job by their kind, a word of `NoteCode` or OTHER_NOTE; a result may have several."""
        query = select(ItemRow.note, func.count()).where(ItemRow.job_id == job_id, HAS_NOTE).group_by(ItemRow.note)
        kinds: Counter[str] = Counter()
        with self.database.read() as connection:
            for note, count in connection.execute(query):
                for code in note_codes(note) or (OTHER_NOTE,):
                    kinds[str(code)] += int(count)
        return kinds

    def score_sums(self, job_id: str) -> ScoreSums | None:
        """Add up the scores of a job; None where nothing was scored. It takes a look at each of the job's results."""
        dice, iou = (ItemRow.__table__.c[name] for name in ("dice", "iou"))
        sums = select(func.count(), func.sum(dice), func.sum(iou), func.min(dice))
        query = sums.where(ItemRow.job_id == job_id, dice.is_not(None), iou.is_not(None))
        with self.database.read() as connection:
            count, *found = connection.execute(query).one()
        return ScoreSums(int(count), *map(float, found)) if count else None

    def failures(self, job_id: str, code: ItemErrorCode) -> int:
        """Count the images of a job that failed with this code."""
        query = select(func.count()).where(ItemRow.job_id == job_id, HAS_FAILED, ItemRow.error_code == code)
        with self.database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def worked_seconds(self, job: Job) -> float | None:
        """Return for how long a job was in work, as `shared.jobs.pace` counts it; None where that is not known.

        Of a job that has ended it is in its row; else it takes a look at each of its images.
        """
        if job.state.is_final:
            return worked_of(job)
        with self.database.read() as connection:
            worked = connection.execute(worked_seconds(job.id)).scalar_one_or_none()
        return None if worked is None else float(worked)

    def item(self, item_id: str) -> Item | None:
        """Return an item by its id."""
        with self.database.read() as connection:
            row = connection.execute(
                item_rows().join(JobRow, JobRow.id == ItemRow.job_id).where(ItemRow.id == item_id, STAYS)
            ).one_or_none()
        return None if row is None else item_of(row)


def counts_of(connection: Connection, job_id: str) -> ItemCounts:
    """Return the counts of a job, the sums over its shards."""
    row = connection.execute(select(*_COUNT_COLUMNS).where(ShardRow.job_id == job_id)).one()
    return ItemCounts(**{name: int(value) for name, value in row._mapping.items()})


def _jobs(connection: Connection, query: Select[Any]) -> list[Job]:
    rows = connection.execute(query).all()
    of_these: ColumnElement[bool] = ShardRow.job_id.in_([row.id for row in rows])
    counted = connection.execute(select(ShardRow.job_id, *_COUNT_COLUMNS).where(of_these).group_by(ShardRow.job_id))
    counts = {row[0]: ItemCounts(*(int(value) for value in row[1:])) for row in counted}
    return [
        Job(
            **dict(row._mapping)
            | {"kind": JobKind(row.kind), "state": JobStatus(row.state)}
            | {"unfamiliar": Unfamiliar(row.unfamiliar)},
            counts=counts.get(row.id, ItemCounts()),
        )
        for row in rows
    ]


def _not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"there is no job {job_id}: `producer status` lists the jobs")


def item_rows() -> Select[Any]:
    """Return the query of what `item_of` makes items of, with nothing asked for yet."""
    return select(*_ITEM_COLUMNS).outerjoin(ReviewRow, ReviewRow.item_id == ItemRow.id)


def item_of(row: Any) -> Item:
    """Return the item that a row of `item_rows` is."""
    values = {name: getattr(row, name) for name in _ITEM_FIELDS}
    return Item(**values | {"state": ItemStatus(row.state)}, review=review_of(row))
