"""What the API tells of jobs and images, as frozen values; what it tells beyond them is in `raw`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

FINAL_STATES = frozenset({"succeeded", "partial", "failed", "cancelled"})


@dataclass(frozen=True)
class Counts:
    """How many images of a job are in which state."""

    total: int
    pending: int
    running: int
    succeeded: int
    failed: int
    cancelled: int

    @property
    def finished(self) -> int:
        """How many have ended, one way or another."""
        return self.succeeded + self.failed + self.cancelled


@dataclass(frozen=True)
class Job:
    """A job as it stood when it was asked for."""

    id: str
    name: str
    kind: str  # "images" or "synthetic"
    state: str  # "queued", "running", "succeeded", "partial", "failed" or "cancelled"
    priority: int
    counts: Counts
    created_at: datetime
    finished_at: datetime | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it changes any more, unless it is retried."""
        return self.state in FINAL_STATES

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "Job":
        """Read what the API gave."""
        return cls(
            **{name: value[name] for name in ("id", "name", "kind", "state", "priority")},
            counts=Counts(**{name: value["counts"][name] for name in Counts.__dataclass_fields__}),
            created_at=datetime.fromisoformat(value["created_at"]),
            finished_at=_time(value["finished_at"]),
            raw=value,
        )


@dataclass(frozen=True)
class Item:
    """One image of a job; `measurements` has what is in the columns of results.csv too, such as `foreground`."""

    id: str
    job_id: str
    number: int
    path: str
    state: str  # "pending", "running", "succeeded", "failed" or "cancelled"
    error_code: str | None
    error: str | None
    width: int | None  # px
    height: int | None  # px
    files: tuple[str, ...]
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "Item":
        """Read what the API gave."""
        own = ("id", "job_id", "number", "path", "state", "error_code", "error", "width", "height")
        return cls(**{name: value[name] for name in own}, files=tuple(value["files"]), raw=value)

    @property
    def measurements(self) -> dict[str, float]:
        """What was measured of it, by name; only what there is."""
        known = {"number", "attempts", "width", "height", "source_bytes"}
        return {
            name: float(value)
            for name, value in self.raw.items()
            if isinstance(value, int | float) and not isinstance(value, bool) and name not in known
        }


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
