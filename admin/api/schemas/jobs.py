"""Jobs, as the API gives them."""

from typing import Literal, Self

from pydantic import Field

from admin.api.schemas.base import Response, Time, time_of, time_or_none
from admin.domain.progress import Progress
from shared.images.scale import AUTO_SCALE, AUTO_WORD
from shared.jobs.records import Priority, ScoreSums, Unfamiliar
from shared.jobs.state import JobKind, JobStatus


class Counts(Response):
    """How many images of a job are in which state."""

    total: int
    pending: int
    running: int
    succeeded: int
    failed: int
    cancelled: int


class Job(Response):
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
    model_name: str | None = Field(description="As it was published.")
    threshold: float | None = Field(description="At which maps are cut; null: the model's own.")
    scale: float | Literal["auto"] = Field(
        description="By which its images are resampled for the network; auto: each by the spacing of its dots."
    )
    unfamiliar: Unfamiliar = Field(description="What becomes of images unlike anything that the model knows.")
    channel: str = Field(description="What of its images' channels is segmented.")
    pixel_size: str | None = Field(description="Of its images, as was said with it; null: as its files say.")
    postprocessing: str = Field(description="What is done to its masks; empty: nothing.")
    inputs_of: str | None = Field(description="The job whose inputs a clone reads; null: it has its own.")
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
                    "model_name",
                    "threshold",
                    "unfamiliar",
                    "channel",
                    "inputs_of",
                )
            },
            scale=AUTO_WORD if job.scale == AUTO_SCALE else job.scale,
            pixel_size=None if job.pixel_size is None else job.pixel_size.exact,
            postprocessing=job.postprocessing,
            created_at=time_of(job.created_at),
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


class Jobs(Response):
    """A page of jobs, the newest first."""

    jobs: list[Job]
    next: str | None = Field(description="The `before` of the next page; null on the last.")


class Scores(Response):
    """What the results that were scored against a truth have in the mean; scores are in [0, 1]."""

    images: int = Field(description="How many were scored.")
    dice: float
    iou: float
    lowest_dice: float

    @classmethod
    def of(cls, sums: ScoreSums) -> Self:
        """Return the means of sums."""
        return cls(
            images=sums.images, dice=sums.dice / sums.images, iou=sums.iou / sums.images, lowest_dice=sums.lowest_dice
        )


class Summary(Response):
    """What stands out in a job."""

    failures: dict[str, int] = Field(description="How many images failed, by code.")
    nothing_found: int
    unfamiliar: int
    reasons: dict[str, int] = Field(description="The unfamiliar ones by their reason.")
    noted: int
    notes: dict[str, int] = Field(description="Notes by their kind; a result may have several.")
    scores: Scores | None = Field(description="Against the images' truths; null where none was scored.")
