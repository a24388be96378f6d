"""Large jobs, written by the database itself: a hundred thousand images take a second or two."""

from sqlalchemy import text

from shared.db.database import Database
from shared.db.tables.base import new_id
from shared.jobs.records import Priority
from shared.jobs.repository import Repository
from shared.jobs.state import JobKind

_SHARDS = """
    INSERT INTO shards (id, job_id, number, total, pending, running, succeeded, failed, cancelled, not_before, releases)
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {shards} - 1)
    SELECT '{ids}' || CAST(100000000000 + i AS TEXT), '{job}', i, {size}, {size}, 0, 0, 0, 0, 0, 0 FROM n
"""
_ITEMS = """
    INSERT INTO items (id, job_id, shard_id, number, path, source_key, state, attempts, suspect)
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {shards} * {size} - 1)
    SELECT '{ids}' || CAST(100000000000 + i AS TEXT), '{job}', '{ids}' || CAST(100000000000 + i / {size} AS TEXT),
           i, CAST(i AS TEXT) || '.png', 'key', 'pending', 0, false FROM n
"""


def large_job(database: Database, *, shards: int, size: int, priority: Priority = Priority.NORMAL) -> str:
    """Make a sealed job of `shards` shards of `size` items; return its id."""
    repository = Repository(database)
    job_id = repository.create_job(JobKind.IMAGES, name="large", submitted_by="test", priority=priority)
    values = {"job": job_id, "ids": new_id()[:24], "shards": shards, "size": size}
    with database.write() as connection:
        for statement in (_SHARDS, _ITEMS):
            connection.execute(text(statement.format(**values)))
    with database.write() as connection:
        connection.execute(text("ANALYZE"))
    repository.seal(job_id)
    return job_id
