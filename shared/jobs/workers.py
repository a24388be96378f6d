"""The table of living workers: for people and for readiness checks, never to decide who owns what."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from shared.db.database import Database, db_now
from shared.db.tables.jobs import WorkerRow

ALIVE_SECONDS = 15.0  # a worker that reported within these counts as alive; it reports every few
SHOWN_SECONDS = 60.0  # one that reported within these is still shown, with its age

_FORGOTTEN_AFTER_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Performance:
    """How fast a worker runs, as it measured it itself; None stands for not known."""

    images_per_second: float | None = None  # finished lately, all stages included
    bare_images_per_second: float | None = None  # the model alone on the same device, measured at start
    limiting_stage: str | None = None  # what the others wait for

    @property
    def share(self) -> float | None:
        """The share of the bare model's speed that is reached, near 1 at best; None where not known."""
        if self.images_per_second is None or not self.bare_images_per_second:
            return None
        return self.images_per_second / self.bare_images_per_second


@dataclass(frozen=True)
class Memory:
    """What a worker takes of memory, in bytes; None stands for not known."""

    resident_bytes: int | None = None  # by its own process; those that decode for it are not counted
    device_bytes: int | None = None  # of the device's own memory, kept by this process
    device_total_bytes: int | None = None  # which that device has


@dataclass(frozen=True)
class Worker:
    """A worker process, as it last said that it lives."""

    id: str
    name: str
    device: str
    model: str
    started_at: float
    seen_at: float
    images: int
    age: float  # seconds since `seen_at`, on the database's clock
    performance: Performance = Performance()
    memory: Memory = Memory()


_UNKNOWN = Performance()
_NOT_TOLD = Memory()
_PERFORMANCE = [field.name for field in fields(Performance)]
_MEMORY = [field.name for field in fields(Memory)]
_OWN = [field.name for field in fields(Worker) if field.name not in ("age", "performance", "memory")]


class Workers:
    """The workers that report to one database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def report(
        self,
        worker_id: str,
        *,
        name: str,
        device: str,
        model: str,
        images: int,
        performance: Performance = _UNKNOWN,
        memory: Memory = _NOT_TOLD,
    ) -> None:
        """Note that a worker process lives, how fast it runs and what memory it takes; the first call makes its row."""
        seen = {"images": images, "seen_at": db_now(), **asdict(performance), **asdict(memory)}
        with self.database.write() as connection:
            result = connection.execute(update(WorkerRow).where(WorkerRow.id == worker_id).values(**seen))
            if not result.rowcount:
                values = {"id": worker_id, "name": name, "device": device, "model": model, "started_at": db_now()}
                connection.execute(insert(WorkerRow).values(**values, **seen))
                connection.execute(delete(WorkerRow).where(WorkerRow.seen_at < db_now() - _FORGOTTEN_AFTER_SECONDS))

    def remove(self, worker_id: str) -> None:
        """Forget a worker that ended as it should."""
        with self.database.write() as connection:
            connection.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))

    def alive(self, *, within: float) -> list[Worker]:
        """Return the workers that reported within so many seconds, the oldest first."""
        age = (db_now() - WorkerRow.seen_at).label("age")
        columns = [getattr(WorkerRow, name) for name in (*_OWN, *_PERFORMANCE, *_MEMORY)]
        query = select(*columns, age).where(WorkerRow.seen_at > db_now() - within).order_by(WorkerRow.started_at)
        with self.database.read() as connection:
            return [_worker(dict(row._mapping)) for row in connection.execute(query)]

    def quiet_for(self) -> float | None:
        """Return how many seconds ago a worker last reported; None where none has, or all have ended as they should."""
        with self.database.read() as connection:
            last = connection.execute(select(db_now() - func.max(WorkerRow.seen_at))).scalar_one_or_none()
        return None if last is None else max(0.0, float(last))


def _worker(values: dict[str, Any]) -> Worker:
    performance = Performance(**{name: values.pop(name) for name in _PERFORMANCE})
    memory = Memory(**{name: values.pop(name) for name in _MEMORY})
    return Worker(**values, performance=performance, memory=memory)
