"""The rows of a submission: making a job, filling it, sealing it, and ending one that nobody goes on with."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import ColumnElement, Connection, case, delete, exc, func, insert, or_, select, update

from shared.db.database import db_now
from shared.db.events import Actor, EventKind, record
from shared.db.model_registry import active_model, model_for
from shared.db.tables.base import new_id
from shared.db.tables.jobs import IS_OPEN, STAYS, ItemRow, JobRow, ShardRow
from shared.errors import Outrun, UsageError
from shared.images.channel_choice import AUTO
from shared.images.threshold import checked_threshold
from shared.jobs import shards
from shared.jobs.reading import JobReader, quiet_for
from shared.jobs.records import FileVersion, NewItem, Unfamiliar
from shared.jobs.retries import NOT_RETRIED
from shared.jobs.state import JOB_STEPS, ItemStatus, JobEvent, JobKind, JobStatus
from shared.jobs.steps import move_job
from shared.pixel_size import PixelSize

OPEN_STATES = JOB_STEPS[JobEvent.CANCEL].sources

# An upload that was on its way when its job was discarded has come to its end by then.
_DISCARD_SECONDS = 60.0
# Nobody comes back for a submission without a single image.
_EMPTY_SECONDS = 3600.0


class Submissions(JobReader):
    """Jobs while they are being submitted. `Repository` has the rest of their life."""

    def create_job(
        self,
        kind: JobKind,
        *,
        name: str,
        submitted_by: str,
        submission_key: str | None = None,
        priority: int = 0,
        scale: float = 1.0,
        unfamiliar: Unfamiliar = Unfamiliar.FLAG,
        channel: str = AUTO,
        pixel_size: PixelSize | None = None,
        postprocessing: str = "",
        model: str | None = None,
        threshold: float | None = None,
        bulk_id: str | None = None,
    ) -> str:
        """Create an empty, unsealed job and return its id.

        To its end it keeps the `model` of this name or digits, see `model_named`, else the one that is active now.
        `bulk_id` is the bulk action that makes it.

        Raises:
            Outrun: an unsealed job with this key is there already.
            UsageError: there is no such model, or the threshold is out of range.
        """
        checked_threshold(threshold)
        job_id, by = new_id(), Actor.of_text(submitted_by)
        try:
            with self.database.write() as connection:
                its_model = active_model().scalar_subquery() if model is None else model_for(connection, model)
                record(connection, EventKind.SUBMITTED, by, job_ids=[job_id], bulk_id=bulk_id)
                connection.execute(
                    insert(JobRow).values(
                        id=job_id,
                        kind=kind,
                        name=name,
                        state=JobStatus.QUEUED,
                        priority=priority,
                        created_at=db_now(),
                        submission_key=submission_key,
                        submission_seen_at=db_now(),
                        submitted_by=submitted_by,
                        owner=by.owner[:128],
                        scale=scale,
                        unfamiliar=unfamiliar,
                        channel=channel,
                        pixel_width_um=None if pixel_size is None else pixel_size.x,
                        pixel_height_um=None if pixel_size is None else pixel_size.y,
                        postprocessing=postprocessing,
                        model=its_model,
                        threshold=threshold,
                    )
                )
        except exc.IntegrityError as error:
            raise Outrun("the same submission was begun at the same time: try again") from error
        return job_id

    def model_for(self, reference: str | None) -> str | None:
        """Return the SHA-256 of the model that a new job gets which asks for this one; None: each worker's own.

        Raises:
            UsageError: there is none of this name or these digits, or there are several.
        """
        with self.database.read() as connection:
            return model_for(connection, reference)

    def unsealed_job(self, submission_key: str) -> str | None:
        """Return the job of an interrupted submission that can still be continued."""
        query = select(JobRow.id).where(JobRow.submission_key == submission_key, is_unsealed())
        with self.database.read() as connection:
            return connection.execute(query.order_by(JobRow.id.desc()).limit(1)).scalar_one_or_none()

    def awaited_job(self, submission_key: str, *, within: float, model: str | None = None) -> str | None:
        """Return the newest job of a submission that is complete, and whose end its command waits for or missed.

        That is, one whose command waited for it and was interrupted, or waits elsewhere; not one that was cancelled,
        nor one that has ended with another model than `model`, or, where none is asked for, than new jobs get. One that
        was completed `within` so many seconds, while the command that asks was already running, is the same submission
        begun twice at once.
        """
        newest = active_model().scalar_subquery() if model is None else model
        was_waited_for = JobRow.awaited_at.is_not(None) & (IS_OPEN | ~JobRow.model.is_distinct_from(newest))
        query = select(JobRow.id).where(
            JobRow.submission_key == submission_key,
            JobRow.sealed_at.is_not(None),
            JobRow.cancel_requested_at.is_(None),
            STAYS,
            or_(was_waited_for, JobRow.sealed_at > db_now() - within),
        )
        with self.database.read() as connection:
            return connection.execute(query.order_by(JobRow.id.desc()).limit(1)).scalar_one_or_none()

    def unsealed_jobs(self, *, limit: int) -> list[str]:
        """Return the ids of submissions of images that are not complete, the newest first."""
        query = select(JobRow.id).where(is_unsealed(), JobRow.kind == JobKind.IMAGES).order_by(JobRow.id.desc())
        with self.database.read() as connection:
            return list(connection.execute(query.limit(limit)).scalars())

    def adopt(self, job_id: str, submission_key: str) -> None:
        """Let an unsealed job be found by another key: its folder was renamed, or is seen from another machine."""
        with self.database.write() as connection:
            connection.execute(
                update(JobRow)
                .where(JobRow.id == job_id, JobRow.sealed_at.is_(None))
                .values(submission_key=submission_key, submission_seen_at=db_now())
            )

    def await_end(self, job_id: str, *, waits: bool) -> None:
        """Note that the command that submitted the job waits for its end, or has seen it."""
        with self.database.write() as connection:
            awaited = db_now() if waits else None
            connection.execute(update(JobRow).where(JobRow.id == job_id).values(awaited_at=awaited))

    def keep_alive(self, job_id: str) -> None:
        """Note that somebody still uploads to the job."""
        with self.database.write() as connection:
            still = (JobRow.id == job_id, JobRow.sealed_at.is_(None))
            connection.execute(update(JobRow).where(*still).values(submission_seen_at=db_now()))

    def known_files(self, job_id: str, paths: Collection[str]) -> dict[str, FileVersion | None]:
        """Return those of `paths` that the job already has, and of which version; None where nobody noted that."""
        columns = (ItemRow.path, ItemRow.source_bytes, ItemRow.source_modified)
        query = select(*columns).where(ItemRow.job_id == job_id, ItemRow.path.in_(paths))
        with self.database.read() as connection:
            return {
                path: None if size is None or modified is None else FileVersion(size, modified)
                for path, size, modified in connection.execute(query)
            }

    def taken_files(self, submission_key: str, versions: Mapping[str, FileVersion]) -> set[str]:
        """Return which of these files any job of this key has in these versions, or without noting their version."""
        query = select(ItemRow.path, ItemRow.source_bytes, ItemRow.source_modified).join(JobRow)
        of_key = (JobRow.submission_key == submission_key, STAYS, ItemRow.path.in_(versions))
        with self.database.read() as connection:
            return {
                path
                for path, size, modified in connection.execute(query.where(*of_key))
                if modified is None or versions[path].is_kept_as(size, modified)
            }

    def contents(self, job_id: str, paths: Collection[str]) -> dict[str, str | None]:
        """Return those of `paths` that the job already has, and the keys of their sources; None without one."""
        query = select(ItemRow.path, ItemRow.source_key).where(ItemRow.job_id == job_id, ItemRow.path.in_(paths))
        with self.database.read() as connection:
            return {row.path: row.source_key for row in connection.execute(query)}

    def item_ids(self, job_id: str, paths: Collection[str]) -> set[str]:
        """Return the ids of the items of these paths that the job has."""
        query = select(ItemRow.id).where(ItemRow.job_id == job_id, ItemRow.path.in_(paths))
        with self.database.read() as connection:
            return set(connection.execute(query).scalars())

    def add_shard(self, job_id: str, items: Sequence[NewItem], *, replaces: Collection[str] = ()) -> str:
        """Add a shard with these items in one transaction and return its id. Items with an error code have failed.

        Those whose paths are in `replaces` take the place of the items that had them, with whatever came of those.

        Raises:
            Outrun: somebody else has sealed the job, or has added some of the same images.
            UsageError: the job is cancelled or removed.
        """
        shard_id = new_id()
        failed = sum(item.error_code is not None for item in items)
        with self.database.write() as connection:
            if replaces:
                _remove_items(connection, job_id, replaces)
            job = connection.execute(
                select(JobRow.sealed_at, JobRow.cancel_requested_at).where(JobRow.id == job_id, STAYS).with_for_update()
            ).one_or_none()
            if job is None or job.cancel_requested_at is not None:
                raise UsageError(f"job {job_id} takes no more images: it was cancelled or removed meanwhile")
            if job.sealed_at is not None:
                raise Outrun(f"job {job_id} takes no more images: another submission has completed it meanwhile")
            number, first = _next_numbers(connection, job_id)
            counts = {"total": len(items), "pending": len(items) - failed, "failed": failed}
            connection.execute(
                insert(ShardRow).values(
                    id=shard_id, job_id=job_id, number=number, not_before=0.0, releases=0, running=0, succeeded=0,
                    cancelled=0, **counts,
                )
            )  # fmt: skip
            try:
                connection.execute(
                    insert(ItemRow),
                    [
                        asdict(item)
                        | {
                            "job_id": job_id,
                            "shard_id": shard_id,
                            "number": first + offset,
                            "attempts": 0,
                            "quarantined": False,
                            "state": ItemStatus.FAILED if item.error_code else ItemStatus.PENDING,
                        }
                        for offset, item in enumerate(items)
                    ],
                )
            except exc.IntegrityError as error:
                raise Outrun("the same images are being submitted twice at once: wait for the other") from error
            connection.execute(update(JobRow).where(JobRow.id == job_id).values(submission_seen_at=db_now()))
        return shard_id

    def discard_empty(self, job_id: str) -> None:
        """Remove a job that never got an item, so that a submission that fails at its start leaves nothing.

        From now on nobody sees it. Its row stays until what may have been stored for it is removed, see
        `shared.upkeep.retention`: an object without a row would be nobody's.
        """
        with self.database.write() as connection:
            # The lock waits for somebody who adds to it, and the next statement sees what was added.
            connection.execute(select(JobRow.id).where(JobRow.id == job_id).with_for_update()).all()
            has_shards = select(ShardRow.id).where(ShardRow.job_id == job_id).exists()
            ended = {"finished_at": db_now(), "sealed_at": db_now(), "cancel_requested_at": db_now()}
            connection.execute(
                move_job(
                    JobEvent.CANCEL,
                    (JobRow.id == job_id) & ~has_shards,
                    **ended,
                    removal_started_at=db_now() + _DISCARD_SECONDS,
                )
            )
            # One that was sealed without an image has ended already.
            empty = (JobRow.id == job_id, ~has_shards, JobRow.removal_started_at.is_(None))
            connection.execute(update(JobRow).where(*empty).values(removal_started_at=db_now() + _DISCARD_SECONDS))

    def abandoned_jobs(self, *, after: float) -> list[str]:
        """Return the ids of unsealed jobs of whose submission nobody has seen anything for so many seconds."""
        query = select(JobRow.id).where(is_unsealed(), quiet_for() > min(after, _EMPTY_SECONDS))
        has_shards = select(ShardRow.id).where(ShardRow.job_id == JobRow.id).exists()
        with self.database.read() as connection:
            return list(connection.execute(query.where(or_(quiet_for() > after, ~has_shards))).scalars())


def ends_submission() -> dict[str, object]:
    """Return what a request to cancel writes: a job that is cancelled before it is complete never succeeds."""
    incomplete = case((JobRow.sealed_at.is_(None), db_now()), else_=JobRow.abandoned_at)
    return {
        "cancel_requested_at": func.coalesce(JobRow.cancel_requested_at, db_now()),
        "sealed_at": func.coalesce(JobRow.sealed_at, db_now()),
        "abandoned_at": incomplete,
        **NOT_RETRIED,
    }


def is_unsealed() -> ColumnElement[bool]:
    """Return the condition of jobs to which images can still be added."""
    unsealed = (JobRow.sealed_at.is_(None), JobRow.cancel_requested_at.is_(None), JobRow.state.in_(OPEN_STATES))
    return IS_OPEN & unsealed[0] & unsealed[1] & unsealed[2]


def _remove_items(connection: Connection, job_id: str, paths: Collection[str]) -> None:
    """Remove items of a job. A worker that has one of them in work finds nothing that it could write to."""
    of_paths = (ItemRow.job_id == job_id) & ItemRow.path.in_(paths)
    held = select(ItemRow.shard_id).where(of_paths)
    query = select(ShardRow.id).where(ShardRow.id.in_(held)).order_by(ShardRow.number).with_for_update()
    locked = connection.execute(query).scalars().all()
    connection.execute(delete(ItemRow).where(of_paths))
    total = select(func.count()).where(ItemRow.shard_id == ShardRow.id).correlate(ShardRow).scalar_subquery()
    connection.execute(update(ShardRow).where(ShardRow.id.in_(locked)).values(total=total))
    shards.recount_some(connection, locked)


def _next_numbers(connection: Connection, job_id: str) -> tuple[int, int]:
    """Return the number of the next shard of a job and of its first item; none is given twice."""
    shards = select(func.max(ShardRow.number) + 1).where(ShardRow.job_id == job_id).scalar_subquery()
    items = select(func.max(ItemRow.number) + 1).where(ItemRow.job_id == job_id).scalar_subquery()
    shard, item = connection.execute(select(func.coalesce(shards, 0), func.coalesce(items, 0))).one()
    return shard, item
