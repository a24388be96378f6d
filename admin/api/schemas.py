"""What the API gives: the one definition of its JSON, drawn into the document. What it takes is in `requests`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from admin.api.measured import with_measurements, with_objects_columns
from admin.domain.progress import Fleet, Progress
from admin.domain.roles import Role
from shared.db.events import Event as EventRecord
from shared.db.events import EventKind, EventSource
from shared.db.model_registry import Model as RegisteredModel
from shared.db.reasons import sentence_of
from shared.images.scale import AUTO_SCALE, AUTO_WORD
from shared.jobs.bulk_actions import BulkAction as BulkActionRecord
from shared.jobs.bulk_actions import BulkKind, BulkState
from shared.jobs.grades import Grade, StepKind
from shared.jobs.grades import Review as ReviewRecord
from shared.jobs.grades import Step as StepRecord
from shared.jobs.records import Finding, Mark, Priority, Unfamiliar
from shared.jobs.records import Item as ItemRecord
from shared.jobs.records import Worker as WorkerRecord
from shared.jobs.state import ItemStatus, JobKind, JobStatus
from shared.jobs.webhooks import Delivery as DeliveryRecord
from shared.jobs.webhooks import Webhook as WebhookRecord

Time = Annotated[datetime, Field(description="In UTC, as RFC 3339 has it.")]


class _Response(BaseModel):
    """What the API gives."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class FieldProblem(_Response):
    """What is wrong with one value of a request."""

    field: str
    reason: str


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="Which problem it is, for programs: a stable address, where it is described.")
    title: str
    status: int
    detail: str = Field(description="What to do about it, in one line.")
    fields: list[FieldProblem] = Field(description="The values that do not fit.")
    request_id: str = Field(description="Of this request, as in the header `X-Request-ID` and in the log.")
    job: str | None = Field(default=None, description="The address of the job that it is about, where there is one.")
    code: str | None = Field(default=None, description="Why an image failed, a stable word.")


class Counts(_Response):
    """How many images of a job are in which state."""

    total: int
    pending: int
    running: int
    succeeded: int
    failed: int
    cancelled: int


class Job(_Response):
    """A job."""

    id: str
    kind: JobKind
    name: str
    state: JobStatus
    priority: int = Field(description=f"{', '.join(f'{p.value}: {p.word}' for p in Priority)}; the higher goes first.")
    submitted_by: str
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    uploading: bool = Field(description="Whether images may still be added.")
    quiet_seconds: float | None = Field(description="Since images were last added; null: none can be added any more.")
    abandoned: bool = Field(description="Whether it was ended before all of its images were there.")
    cancel_requested: bool
    model: str | None = Field(description="SHA-256 of the model of its images; null: each worker's own.")
    scale: float | Literal["auto"] = Field(
        description="By which its images are resampled for the network; auto: each by the spacing of its dots."
    )
    unfamiliar: Unfamiliar = Field(description="What becomes of images unlike anything that the model knows.")
    channel: str = Field(description="What of its images' channels is segmented.")
    pixel_size: str | None = Field(description="Of its images, as was said with it; null: as its files say.")
    postprocessing: str = Field(description="What is done to its masks; empty: nothing.")
    counts: Counts
    seconds: float | None = Field(description="In work, without pauses and what did not succeed; null: not known.")
    images_per_second: float | None = Field(
        description="That succeeded, lately; of a job that has ended, in all of its time in work. Null: not known."
    )
    seconds_left: float | None = Field(description="By the rate of now; null: not known, or nothing to wait for.")

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """Return a job as the API gives it."""
        job = progress.job
        return cls(
            **{
                name: getattr(job, name)
                for name in (
                    "id",
                    "kind",
                    "name",
                    "state",
                    "priority",
                    "submitted_by",
                    "model",
                    "unfamiliar",
                    "channel",
                )
            },
            scale=AUTO_WORD if job.scale == AUTO_SCALE else job.scale,
            pixel_size=None if job.pixel_size is None else job.pixel_size.exact,
            postprocessing=job.postprocessing,
            created_at=_time(job.created_at),
            started_at=time_or_none(job.started_at),
            finished_at=time_or_none(job.finished_at),
            uploading=job.sealed_at is None and not job.state.is_final,
            quiet_seconds=job.quiet_for,
            abandoned=job.abandoned_at is not None,
            cancel_requested=job.cancel_requested_at is not None,
            counts=Counts(**{name: getattr(job.counts, name) for name in Counts.model_fields}),
            seconds=progress.seconds,
            images_per_second=progress.rate,
            seconds_left=progress.seconds_left,
        )


@with_measurements
class Item(_Response):
    """One image of a job. What is measured is null until it succeeded, and against a truth that is not known."""

    id: str
    job_id: str
    number: int = Field(description="Its place in the job, from 0.")
    path: str = Field(description="Relative, as the submitter named it.")
    state: ItemStatus
    attempts: int
    error_code: str | None = Field(description="A stable word, such as `not_an_image`.")
    error: str | None
    note: str | None
    described: dict[str, Any] | None = Field(description="What a manifest says of it, by column.")
    finding: Finding | None = Field(description="Whether the mask has foreground; null without a result.")
    marks: list[Mark] = Field(description="What stands out in the result.")
    reason: str | None = Field(description="A stable word for why the result may not be what one hoped for.")
    explanation: str | None = Field(description="The same as a sentence.")
    finished_at: Time | None
    seconds: float | None
    width: int | None = Field(description="px")
    height: int | None = Field(description="px")
    model: str | None
    threshold: float | None
    preprocessing: str | None
    postprocessing: str | None = Field(description="What was done to the mask; null: nothing.")
    pixel_width_um: float | None = Field(description="Width of a pixel in µm, where it is known.")
    pixel_height_um: float | None
    area_um2: float | None = Field(description="Area of all objects together, in µm², where a pixel's size is known.")
    code_version: str | None
    device: str | None = Field(description="That it was computed on, with its arithmetic and library.")
    source_bytes: int | None
    synthesis: dict[str, Any] | None = Field(description="What a generated image was made from.")
    reason_place: str | None = Field(description="Where in a large image the reason was found.")
    grade: Grade | None = Field(description="What a reviewer says of the result; null: nobody has said anything.")
    grade_note: str | None
    graded_by: str | None
    graded_at: Time | None
    corrected_by: str | None = Field(
        description="Who drew the corrected mask, the file `correction`; null: there is none."
    )
    corrected_at: Time | None
    files: list[str] = Field(description="What `/items/{item_id}/files/{file}` can give.")

    @classmethod
    def of(cls, item: ItemRecord, files: list[str]) -> Self:
        """Return an item as the API gives it."""
        computed = {"files", "finished_at", "marks", "explanation", "grade_note"}
        values = {name: getattr(item, name) for name in cls.model_fields.keys() - computed - _OF_REVIEWS}
        values |= _of_review(item.review) | {"grade_note": item.review.note}
        values |= {"marks": list(item.marks), "explanation": sentence_of(item.reason, item.reason_place) or None}
        return cls(**values, finished_at=time_or_none(item.finished_at), files=files)


@with_objects_columns
class MeasuredObject(_Response):
    """An object of a mask; what is in µm is null where the size of a pixel is not known."""


class Objects(_Response):
    """Some of the objects of a mask."""

    total: int = Field(description="How many the mask has.")
    objects: list[MeasuredObject]


class ReviewStep(_Response):
    """One grade or correction as it was given."""

    kind: StepKind
    by: str
    at: Time
    grade: Grade | None = Field(description="Null: taken back, or no grade but a correction.")
    note: str | None
    undone: bool

    @classmethod
    def of(cls, step: StepRecord) -> Self:
        """Return a step as the API gives it."""
        at = _time(step.given_at)
        return cls(kind=step.kind, by=step.reviewer, at=at, grade=step.grade, note=step.note, undone=step.is_undone)


class Review(_Response):
    """What is said of a result."""

    item_id: str
    grade: Grade | None
    note: str | None
    graded_by: str | None
    graded_at: Time | None
    corrected_by: str | None
    corrected_at: Time | None
    replaced: ReviewStep | None = Field(description="The grade or correction of somebody else that this one replaces.")
    history: list[ReviewStep] = Field(description="All that was given, the first one first.")

    @classmethod
    def of(cls, item_id: str, review: ReviewRecord, history: Sequence[StepRecord], *, after: StepKind | None) -> Self:
        """Return a review as the API gives it; `after` says what has just been given."""
        return cls(
            item_id=item_id,
            note=review.note,
            **_of_review(review),
            replaced=_replaced(history, after),
            history=[ReviewStep.of(step) for step in history],
        )


_OF_REVIEWS = frozenset({"grade", "graded_by", "graded_at", "corrected_by", "corrected_at"})


def _of_review(review: ReviewRecord) -> dict[str, Any]:
    values = {name: getattr(review, name) for name in _OF_REVIEWS}
    return values | {name: time_or_none(values[name]) for name in ("graded_at", "corrected_at")}


def _replaced(history: Sequence[StepRecord], kind: StepKind | None) -> ReviewStep | None:
    """The step before the last one of a kind, if it was somebody else's."""
    standing = [step for step in history if step.kind is kind and not step.is_undone][-2:]
    return ReviewStep.of(standing[0]) if len({step.reviewer for step in standing}) == 2 else None


class Summary(_Response):
    """What stands out in a job."""

    failures: dict[str, int] = Field(description="How many images failed, by code.")
    nothing_found: int
    unfamiliar: int
    reasons: dict[str, int] = Field(description="The unfamiliar ones by their reason.")
    noted: int
    notes: dict[str, int] = Field(description="Notes by their kind; a result may have several.")


class Added(_Response):
    """What became of a batch of images."""

    added: int = Field(description="That are new.")
    known: int = Field(description="That the job had already, with the same content.")
    replaced: int = Field(description="That took the place of another content.")
    failed: int = Field(description="Of all these, those that cannot be used.")


class Version(_Response):
    """What tells a file from what it was before."""

    size: int = Field(description="bytes")
    modified: int = Field(description="Nanoseconds since 1970.")


class Known(_Response):
    """Which paths a job has; null where its sender did not say which version of the file it is."""

    files: dict[str, Version | None]


class Submissions(_Response):
    """Jobs to go on with."""

    unsealed: str | None = Field(description="The job of this key to which images can be added.")
    awaited: str | None = Field(description="The sealed job of this key for which its sender waits.")
    others: list[str] = Field(description="All jobs to which images can be added, the newest first.")


class Webhook(_Response):
    """Who is told of the ends of jobs."""

    id: str
    url: str
    owner: str | None = Field(description="Whose jobs alone; null: all.")
    created_at: Time
    ended_at: Time | None = Field(description="When its receiver said that it is gone (410): it gets nothing more.")

    @classmethod
    def of(cls, webhook: WebhookRecord) -> Self:
        """Return a webhook as the API gives it."""
        return cls(**_webhook(webhook))


class MadeWebhook(Webhook):
    """A new webhook."""

    secret: str = Field(description="By which its messages are signed. It is shown this once.")


class Webhooks(_Response):
    """The webhooks of the token's account, the newest first."""

    webhooks: list[Webhook]


class Delivery(_Response):
    """A message to a webhook, and what became of it."""

    id: str = Field(description="Its header `webhook-id`, the same in each attempt.")
    kind: str = Field(description="Its `type`, such as `job.succeeded`.")
    job_id: str | None
    created_at: Time
    attempts: int
    delivered_at: Time | None
    next_at: Time | None = Field(description="Of the next attempt; null: it arrived, or was given up.")
    status: int | None = Field(description="Of the receiver's last answer.")
    error: str | None = Field(description="Why it did not arrive.")

    @classmethod
    def of(cls, delivery: DeliveryRecord) -> Self:
        """Return a message as the API gives it."""
        own = ("id", "kind", "job_id", "attempts", "status", "error")
        return cls(
            **{name: getattr(delivery, name) for name in own},
            created_at=_time(delivery.created_at),
            delivered_at=time_or_none(delivery.delivered_at),
            next_at=time_or_none(delivery.next_at),
        )


class Deliveries(_Response):
    """A page of messages to a webhook, the newest first."""

    deliveries: list[Delivery]
    next: str | None = Field(description="The `before` of the next page; null on the last.")


class Jobs(_Response):
    """A page of jobs, the newest first."""

    jobs: list[Job]
    next: str | None = Field(description="The `before` of the next page; null on the last.")


class Items(_Response):
    """A page of a job's images, in the order that was asked for."""

    items: list[Item]
    next: str | None = Field(description="The `after` of the next page; null on the last.")


class Model(_Response):
    """A published model."""

    sha256: str
    name: str
    size: int = Field(description="bytes")
    published_at: Time
    published_by: str
    active: bool = Field(description="Whether new jobs get it.")

    @classmethod
    def of(cls, model: RegisteredModel, active: RegisteredModel | None) -> Self:
        """Return a model as the API gives it."""
        return cls(
            **{name: getattr(model, name) for name in ("sha256", "name", "size", "published_by")},
            published_at=_time(model.published_at),
            active=active is not None and active.sha256 == model.sha256,
        )


class Models(_Response):
    """The published models, the newest first; where none is active, new jobs get each worker's own."""

    models: list[Model]


class Worker(_Response):
    """A worker process, as it last said that it lives."""

    id: str
    name: str
    device: str
    model: str = Field(description="SHA-256 of its own model.")
    started_at: Time
    seen_at: Time
    images: int = Field(description="Finished since it started.")
    images_per_second: float | None = Field(description="Finished lately; null: not known.")
    bare_images_per_second: float | None = Field(description="The model alone on this device, measured at start.")
    share: float | None = Field(description="Of the bare model's speed.")
    limiting_stage: str | None = Field(description="What the other stages wait for, such as `infer`.")

    @classmethod
    def of(cls, worker: WorkerRecord) -> Self:
        """Return a worker as the API gives it."""
        own = ("id", "name", "device", "model", "images")
        measured = ("images_per_second", "bare_images_per_second", "share", "limiting_stage")
        return cls(
            **{name: getattr(worker, name) for name in own},
            **{name: getattr(worker.performance, name) for name in measured},
            started_at=_time(worker.started_at),
            seen_at=_time(worker.seen_at),
        )


class Workers(_Response):
    """The workers that were seen within a minute, the oldest first, and what they do together."""

    workers: list[Worker]
    quiet_seconds: float | None = Field(description="Since a worker was last seen; null: there is none.")
    images_per_second: float | None = Field(description="The sum; null: of none known.")
    share: float | None = Field(description="Of the bare models' speeds, over the workers that know both.")

    @classmethod
    def of(cls, workers: Sequence[WorkerRecord], quiet_seconds: float | None) -> Self:
        """Return workers as the API gives them."""
        together = Fleet.of(workers)
        return cls(
            workers=[Worker.of(worker) for worker in workers],
            quiet_seconds=quiet_seconds,
            images_per_second=together.images_per_second,
            share=together.share,
        )


class Prediction(_Response):
    """What was found in one image. Pictures are PNG in base64."""

    job: str = Field(description="The address of the job that it was.")
    item: Item
    mask: str = Field(description="Of the image's size, 8 bit: 0 and 255.")
    probability: str = Field(description="Of the image's size, 8 bit: 0 to 255 for 0 to 1.")


class Demonstration(_Response):
    """A generated image, and what was found in it. Pictures are PNG in base64."""

    job: str = Field(description="The address of the job that it was.")
    item: Item
    num_dots: int
    jitter: float
    severity: float
    seed: int
    image: str = Field(description="What the network saw, 8 bit.")
    truth: str = Field(description="The true mask, 8 bit: 0 and 255.")
    mask: str = Field(description="What it found, 8 bit: 0 and 255.")
    probability: str = Field(description="8 bit: 0 to 255 for 0 to 1.")
    dice: float = Field(description="Of mask and truth, from 0 to 1.")
    iou: float = Field(description="Of mask and truth, from 0 to 1.")


class Event(_Response):
    """A change that somebody asked for."""

    id: str
    at: Time
    kind: str = Field(description=f"A word such as {', '.join(f'`{kind}`' for kind in EventKind)}.")
    actor: str = Field(description="The account, or `user@host` of a command line; empty: nobody asked for it.")
    source: EventSource
    job_id: str | None
    bulk_id: str | None = Field(description="The bulk action that it is a part of.")
    detail: str | None

    @classmethod
    def of(cls, event: EventRecord) -> Self:
        """Return an event as the API gives it."""
        names = cls.model_fields.keys() - {"at"}
        return cls(**{name: getattr(event, name) for name in names}, at=_time(event.at))


class BulkAction(_Response):
    """An action on many jobs, and how far it is."""

    id: str
    action: BulkKind
    state: BulkState
    jobs: list[str] | None = Field(description="Those that were named; null: a filter was given.")
    filter: dict[str, Any] | None = Field(description="As it was when it was asked for; times in Unix seconds.")
    codes: list[str] | None
    priority: str | None
    matched: int = Field(description="Jobs that were meant when it was asked for, counted up to a limit.")
    matched_more: bool = Field(description="Whether there were more than `matched`.")
    jobs_done: int
    jobs_skipped: int = Field(description="Left out, since their state does not allow it.")
    items_done: int = Field(description="Images that a retry has put back.")
    created_at: Time
    created_by: str
    finished_at: Time | None
    abort_requested: bool

    @classmethod
    def of(cls, action: BulkActionRecord) -> Self:
        """Return an action as the API gives it."""
        own = ("id", "state", "codes", "matched", "matched_more", "jobs_done", "jobs_skipped", "items_done")
        return cls(
            **{name: getattr(action, name) for name in own},
            action=action.kind,
            jobs=action.selection.get("jobs"),
            filter=action.selection.get("filter"),
            priority=None if action.priority is None else Priority(action.priority).word,
            created_at=_time(action.made_at),
            created_by=action.made_by,
            finished_at=time_or_none(action.finished_at),
            abort_requested=action.abort_requested_at is not None,
        )


class BulkActions(_Response):
    """A page of actions on many jobs, the newest first."""

    bulk_actions: list[BulkAction]
    next: str | None = Field(description="The `before` of the next page; null on the last.")


class Events(_Response):
    """A page of events, the latest first."""

    events: list[Event]
    next: str | None = Field(description="The `before` of the next page; null on the last.")


class Me(_Response):
    """Whose token it is, and what it may do."""

    account: str
    role: Role
    token: str
    expires_at: Time | None


def made_webhook(webhook: WebhookRecord, secret: str) -> MadeWebhook:
    """Return a new webhook as the API gives it."""
    return MadeWebhook(**_webhook(webhook), secret=secret)


def _webhook(webhook: WebhookRecord) -> dict[str, Any]:
    times = {name: time_or_none(getattr(webhook, name)) for name in ("created_at", "ended_at")}
    return {name: getattr(webhook, name) for name in ("id", "url", "owner")} | times


def time_or_none(timestamp: float | None) -> datetime | None:
    """Return a Unix time as the API gives it."""
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)


def _time(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
