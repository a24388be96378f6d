"""The table of living workers: for people and for readiness checks, never to decide who owns what."""

from dataclasses import fields

from sqlalchemy import delete, insert, select, update

from shared.jobs.database import Database, db_now
from shared.jobs.records import Worker
from shared.jobs.tables import WorkerRow

_FORGOTTEN_AFTER_SECONDS = 24 * 3600.0


class Workers:
    """The workers that report to one database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def report(self, worker_id: str, *, name: str, device: str, model: str, images: int) -> None:
        """Note that a worker process lives; the first call makes its row."""
        seen = {"images": images, "seen_at": db_now()}
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
        columns = [getattr(WorkerRow, field.name) for field in fields(Worker) if field.name != "age"]
        query = select(*columns, age).where(WorkerRow.seen_at > db_now() - within).order_by(WorkerRow.started_at)
        with self.database.read() as connection:
            return [Worker(**row._mapping) for row in connection.execute(query)]
