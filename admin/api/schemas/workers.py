"""Workers, as the API gives them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Self

from pydantic import Field

from admin.api.schemas.base import Response, Time, time_of
from admin.domain.progress import Fleet
from shared.jobs.workers import Worker as WorkerRecord


class Worker(Response):
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

    resident_bytes: int | None = Field(description="Memory of its own process; null: not known.")
    device_bytes: int | None = Field(description="Of the device's own memory, kept by it; null: a CPU, or not known.")
    device_total_bytes: int | None = Field(description="The memory that the device has.")

    @classmethod
    def of(cls, worker: WorkerRecord) -> Self:
        """Return a worker as the API gives it."""
        own = ("id", "name", "device", "model", "images")
        measured = ("images_per_second", "bare_images_per_second", "share", "limiting_stage")
        return cls(
            **{name: getattr(worker, name) for name in own},
            **{name: getattr(worker.performance, name) for name in measured},
            **asdict(worker.memory),
            started_at=time_of(worker.started_at),
            seen_at=time_of(worker.seen_at),
        )


class Workers(Response):
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
