"""The tables of jobs, and of who works on them. SQL is the truth about them; Redis holds hints and S3 holds bytes.

Rows of jobs, shards and items are written by these modules alone, which a test holds:

shared.jobs.submissions     creating, filling and discarding jobs
shared.jobs.clones          whose inputs a clone reads
shared.jobs.repository      sealing, cancelling, retrying and closing jobs
shared.jobs.retries         putting back what did not succeed
shared.jobs.claims          claiming, releasing, expiring and completing items
shared.jobs.clock           pulling back leases where the clock has jumped
shared.jobs.steps           the states of both, for whoever else is in this list
shared.jobs.shards          the counts of shards
shared.queue.dispatch       the time of a shard's last hint
shared.upkeep.retention     what goes after a job's end
shared.upkeep.repair        what an audit found amiss
shared.upkeep.tally         for which end a job's failures are counted
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.measurements import INDEXED, MEASUREMENTS
from shared.db.reasons import UNFAMILIAR_BELOW
from shared.db.tables.base import UUID_TEXT, Base, partial

_UNTALLIED_END = "finished_at IS NOT NULL AND (tallied_end IS NULL OR tallied_end <> finished_at)"


class JobRow(Base):
    """A job: one folder, upload or synthetic request."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(UUID_TEXT, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    priority: Mapped[int] = mapped_column(default=0)  # higher goes first
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    sealed_at: Mapped[float | None]  # when the submission was complete; items can be added until then
    cancel_requested_at: Mapped[float | None]
    submission_key: Mapped[str | None] = mapped_column(String(64))  # finds an interrupted submission again
    submission_seen_at: Mapped[float | None]  # when somebody was last seen submitting
    abandoned_at: Mapped[float | None]  # when it was ended before its submission was complete
    awaited_at: Mapped[float | None]  # since when the command that submitted it waits for its end
    submitted_by: Mapped[str] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(String(128))  # whose it is; null: an older version submitted it
    # The model that was asked for, else the one that was active when the job was made; null: each worker's own. A key,
    # so that no model goes that a job still names.
    model: Mapped[str | None] = mapped_column(String(64), ForeignKey("models.sha256"))
    threshold: Mapped[float | None]  # as was asked for; null: that of its model
    scale: Mapped[float] = mapped_column(default=1.0, server_default="1")  # its images are resampled by this
    worked_seconds: Mapped[float | None]  # while images that succeeded were in work; once it has ended
    pixel_width_um: Mapped[float | None]  # as was said with the job, else its files say it
    pixel_height_um: Mapped[float | None]
    # What is done to its masks, see shared.objects.processing.
    postprocessing: Mapped[str] = mapped_column(String(128), default="", server_default="")
    # What becomes of its unfamiliar images, a word of shared.jobs.records.Unfamiliar.
    unfamiliar: Mapped[str] = mapped_column(String(8), default="flag", server_default="flag")
    channel: Mapped[str] = mapped_column(
        String(8), default="auto", server_default="auto"
    )  # that of its images is taken
    inputs_of: Mapped[str | None] = mapped_column(UUID_TEXT)  # the job that has its inputs; null: it has its own
    # after its end, see shared.upkeep.retention
    tidied_at: Mapped[float | None]  # when objects that no row names had been deleted
    sources_removed_at: Mapped[float | None]  # from when on its sources go
    removal_started_at: Mapped[float | None]  # from when on nobody sees it, and all of it goes
    # A retry of it goes on in the background from this shard on, see shared.jobs.retries; null: none does.
    retry_from: Mapped[int | None]
    retry_codes: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))  # of what failed with these alone
    retry_bulk: Mapped[str | None] = mapped_column(UUID_TEXT)  # the bulk action that it is a part of
    tallied_end: Mapped[float | None]  # the `finished_at` for which its failures are counted, see shared.upkeep.tally

    __table_args__ = (
        # One job for a submission, however many processes begin it at once.
        partial("ix_jobs_submission_key", "submission_key", where="sealed_at IS NULL", unique=True),
        partial("ix_jobs_submissions", "submission_key", "id", where="submission_key IS NOT NULL"),
        Index("ix_jobs_finished_at", "finished_at"),
        # What the reconciler asks again and again; a history of ended jobs costs it nothing.
        partial("ix_jobs_open", "id", where="finished_at IS NULL"),
        partial("ix_jobs_untidied", "finished_at", where="tidied_at IS NULL"),
        partial("ix_jobs_with_sources", "finished_at", where="sources_removed_at IS NULL"),
        partial("ix_jobs_being_removed", "id", where="removal_started_at IS NOT NULL"),
        partial("ix_jobs_being_retried", "id", where="retry_from IS NOT NULL"),
        partial("ix_jobs_untallied", "id", where=_UNTALLIED_END),
        partial("ix_jobs_clones", "inputs_of", where="inputs_of IS NOT NULL"),
        Index("ix_jobs_owner", "owner", "id"),
        Index("ix_jobs_state", "state", "id"),
    )


class ShardRow(Base):
    """A run of at most 64 items of a job: what one message names and one claim takes.

    The counts are those of its items, rewritten in each transaction that moves one of them while the shard's
    row is locked; so `total = pending + running + succeeded + failed + cancelled` in every committed state.
    """

    __tablename__ = "shards"

    id: Mapped[str] = mapped_column(UUID_TEXT, primary_key=True)
    job_id: Mapped[str] = mapped_column(UUID_TEXT, ForeignKey("jobs.id", ondelete="CASCADE"))
    number: Mapped[int]  # 0, 1, … within the job
    total: Mapped[int]
    pending: Mapped[int]
    running: Mapped[int]
    succeeded: Mapped[int]
    failed: Mapped[int]
    cancelled: Mapped[int]
    not_before: Mapped[float]  # back-off after a release: no claim before this time
    releases: Mapped[int]  # releases in a row, which set the back-off
    published_at: Mapped[float | None]  # when its last hint was sent

    __table_args__ = (
        UniqueConstraint("job_id", "number"),
        partial("ix_shards_open", "job_id", "number", where="pending > 0"),
    )


class _MeasurementColumns:
    """The columns of what is measured of an image, see `shared.db.measurements`; null until there is a result."""


for _name in MEASUREMENTS:
    setattr(_MeasurementColumns, _name, mapped_column(Double(), nullable=True))


class ItemRow(_MeasurementColumns, Base):
    """One image of a job, with its claim and, in the end, its result."""

    __tablename__ = "items"

    id: Mapped[str] = mapped_column(UUID_TEXT, primary_key=True)
    job_id: Mapped[str] = mapped_column(UUID_TEXT, ForeignKey("jobs.id", ondelete="CASCADE"))
    shard_id: Mapped[str] = mapped_column(UUID_TEXT, ForeignKey("shards.id", ondelete="CASCADE"))
    number: Mapped[int]  # 0, 1, … within the job
    path: Mapped[str] = mapped_column(Text)  # relative, with `/`, as the submitter named it
    source_key: Mapped[str | None] = mapped_column(Text)
    source_bytes: Mapped[int | None] = mapped_column(BigInteger)
    source_modified: Mapped[int | None] = mapped_column(BigInteger)  # nanoseconds since 1970, of a file
    synthesis: Mapped[dict[str, Any] | None]  # the arguments of shared.synth.synthesise, for synthetic items
    state: Mapped[str] = mapped_column(String(16))

    # the claim
    attempts: Mapped[int]
    # Was running when a worker crashed, or did not fit in memory: runs alone from now on. The column has the name of
    # before: renaming it would stop the workers that are still at work while `admin migrate` runs.
    quarantined: Mapped[bool] = mapped_column("suspect", key="quarantined")
    token: Mapped[str | None] = mapped_column(UUID_TEXT)
    claimed_at: Mapped[float | None]  # by the last claim
    lease_until: Mapped[float | None]
    worker: Mapped[str | None] = mapped_column(Text)

    # how it ended
    error_code: Mapped[str | None] = mapped_column(String(32))
    error: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)  # see shared.images.notes
    described: Mapped[dict[str, Any] | None]  # what a manifest says of it, by column
    finished_at: Mapped[float | None]
    seconds: Mapped[float | None]  # from fetch to store
    width: Mapped[int | None]
    height: Mapped[int | None]
    pixel_width_um: Mapped[float | None]  # where it is known
    pixel_height_um: Mapped[float | None]
    mask_key: Mapped[str | None] = mapped_column(Text)
    probability_key: Mapped[str | None] = mapped_column(Text)
    truth_key: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(String(32))  # a word of shared.db.reasons, where there is one
    reason_place: Mapped[str | None] = mapped_column(String(64))  # that it is about, in a large image

    # provenance
    model: Mapped[str | None] = mapped_column(String(64))  # sha256 of the weights
    threshold: Mapped[float | None]
    preprocessing: Mapped[str | None] = mapped_column(String(128))
    postprocessing: Mapped[str | None] = mapped_column(String(128))
    code_version: Mapped[str | None] = mapped_column(String(32))
    device: Mapped[str | None] = mapped_column(String(160))  # of the network, its arithmetic, and the library's version

    __table_args__ = (
        UniqueConstraint("job_id", "number"),
        UniqueConstraint("job_id", "path"),
        Index("ix_items_shard_id_state", "shard_id", "state"),
        Index("ix_items_job_id_state_number", "job_id", "state", "number"),
        partial("ix_items_token", "token", where="token IS NOT NULL"),
        partial("ix_items_lease_until", "lease_until", where="state = 'running'"),
        partial("ix_items_failures", "job_id", "error_code", "number", where="state = 'failed'"),
        partial("ix_items_failures_by_seconds", "job_id", "error_code", "seconds", "number", where="state = 'failed'"),
        partial("ix_items_nothing_found", "job_id", "number", where="foreground = 0"),
        partial("ix_items_noted", "job_id", "number", where="note IS NOT NULL"),
        partial("ix_items_unfamiliar", "job_id", "number", where=f"familiarity < {UNFAMILIAR_BELOW}"),
        # Pages in the order of a value, and ranges of it: see shared.jobs.item_filter.
        *(partial(f"ix_items_{name}", "job_id", name, "number", where="state = 'succeeded'") for name in INDEXED),
        Index("ix_items_seconds", "job_id", "seconds", "number"),
    )


# The conditions of the partial indexes. They stand in a query as they stand in the index, not with a parameter in
# place of the constant: SQLite uses such an index for nothing else.
HAS_PENDING: ColumnElement[bool] = ShardRow.pending > literal_column("0")
IS_OPEN: ColumnElement[bool] = JobRow.finished_at.is_(None)
IS_BEING_RETRIED: ColumnElement[bool] = JobRow.retry_from.is_not(None)
HAS_ENDED: ColumnElement[bool] = JobRow.finished_at.is_not(None)
IS_TALLIED: ColumnElement[bool] = JobRow.tallied_end == JobRow.finished_at  # null of one that is open
UNTALLIED: ColumnElement[bool] = JobRow.tallied_end.is_(None) | (JobRow.tallied_end != JobRow.finished_at)
STAYS: ColumnElement[bool] = JobRow.removal_started_at.is_(None)
IS_SUCCEEDED: ColumnElement[bool] = ItemRow.state == literal_column("'succeeded'")
IS_RUNNING: ColumnElement[bool] = ItemRow.state == literal_column("'running'")
HAS_FAILED: ColumnElement[bool] = ItemRow.state == literal_column("'failed'")
NOTHING_FOUND: ColumnElement[bool] = ItemRow.__table__.c["foreground"] == literal_column("0")
HAS_NOTE: ColumnElement[bool] = ItemRow.note.is_not(None)
IS_UNFAMILIAR: ColumnElement[bool] = ItemRow.__table__.c["familiarity"] < literal_column(str(UNFAMILIAR_BELOW))


class WorkerRow(Base):
    """A worker process, as it last said that it lives."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(UUID_TEXT, primary_key=True)
    name: Mapped[str] = mapped_column(Text)  # host and pid, for people; never used to decide anything
    device: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[float]
    seen_at: Mapped[float]
    images: Mapped[int] = mapped_column(BigInteger)  # finished since it started
    # see shared.jobs.workers.Performance
    images_per_second: Mapped[float | None]
    bare_images_per_second: Mapped[float | None]
    limiting_stage: Mapped[str | None] = mapped_column(String(32))
    # see shared.jobs.workers.Memory
    resident_bytes: Mapped[int | None] = mapped_column(BigInteger)
    device_bytes: Mapped[int | None] = mapped_column(BigInteger)
    device_total_bytes: Mapped[int | None] = mapped_column(BigInteger)


class FailureCountRow(Base):
    """How many images of a job that has ended failed with a code, see `shared.upkeep.tally`."""

    __tablename__ = "failure_counts"

    job_id: Mapped[str] = mapped_column(UUID_TEXT, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    code: Mapped[str] = mapped_column(String(32), primary_key=True)
    count: Mapped[int]

    __table_args__ = (Index("ix_failure_counts_code", "code", "job_id"),)
