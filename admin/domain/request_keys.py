"""Submissions that may be asked for more than once: a form sent twice, a proxy that asks again, a client that retries.

Whoever asks gives a key. The first to come makes the job; whoever comes with the same key within KEPT_SECONDS gets that
job and makes none. A key belongs to an account and to one kind of submission.
"""

import hashlib

from sqlalchemy import delete, select, text, update

from shared.db.database import Database, db_now
from shared.db.tables.accounts import RequestKeyRow

KEPT_SECONDS = 24 * 3600.0
MAX_KEY_LENGTH = 255  # characters
# Longer than any submission takes: a process that died with one in work keeps nobody from trying again.
_ABANDONED_AFTER_SECONDS = 3600.0

# The same on SQLite and PostgreSQL, which keep the first of two that come at once.
_CLAIM = text(
    "INSERT INTO request_keys (key, job_id, created_at, fingerprint) VALUES (:key, NULL, :now, :fingerprint) "
    "ON CONFLICT (key) DO NOTHING"
)


class RequestKey:
    """One key of one account for one kind of submission."""

    def __init__(
        self, database: Database, *, account: str, kind: str, key: str, fingerprint: str | None = None
    ) -> None:
        self._database = database
        self._fingerprint = fingerprint
        self._key = hashlib.sha256("\0".join((account, kind, key)).encode(errors="replace")).hexdigest()

    def claim(self) -> bool:
        """Whether this is the first to come with the key, and so has to make the job."""
        with self._database.write() as connection:
            now = float(connection.execute(select(db_now())).scalar_one())
            connection.execute(delete(RequestKeyRow).where(RequestKeyRow.created_at <= now - KEPT_SECONDS))
            unmade = RequestKeyRow.job_id.is_(None)
            abandoned = RequestKeyRow.created_at <= now - _ABANDONED_AFTER_SECONDS
            connection.execute(delete(RequestKeyRow).where(RequestKeyRow.key == self._key, unmade, abandoned))
            return (
                connection.execute(_CLAIM, {"key": self._key, "now": now, "fingerprint": self._fingerprint}).rowcount
                == 1
            )

    def made(self, job_id: str) -> None:
        """Write down which job the key stands for."""
        with self._database.write() as connection:
            connection.execute(update(RequestKeyRow).where(RequestKeyRow.key == self._key).values(job_id=job_id))

    def job(self) -> str | None:
        """Return the id of the job that the key stands for; None while it is being made."""
        with self._database.read() as connection:
            query = select(RequestKeyRow.job_id).where(RequestKeyRow.key == self._key)
            return connection.execute(query).scalar_one_or_none()

    def is_the_same(self) -> bool:
        """Whether what is asked for now is what the first to come with the key asked for, as far as both are known."""
        with self._database.read() as connection:
            query = select(RequestKeyRow.fingerprint).where(RequestKeyRow.key == self._key)
            first = connection.execute(query).scalar_one_or_none()
        return None in (first, self._fingerprint) or first == self._fingerprint

    def give_up(self) -> None:
        """Forget the key: there is no job, and the next to come with it tries again."""
        with self._database.write() as connection:
            connection.execute(delete(RequestKeyRow).where(RequestKeyRow.key == self._key))
