"""Guessing passwords, slowed down. The counts are in SQL: they hold across processes and restarts."""

from sqlalchemy import delete, select, text, update

from admin.web.guard.network import client_network
from shared.db.database import Database, db_now
from shared.db.tables.accounts import LoginFailureRow

WINDOW_SECONDS = 300.0
MAX_ATTEMPTS_BY_ADDRESS = 10
# Guesses from many addresses. Higher, since it also keeps the owner out for the rest of the window.
MAX_ATTEMPTS_BY_NAME = 50

# The same on SQLite and PostgreSQL, which lock the row until the transaction ends.
_COUNT = text(
    "INSERT INTO login_failures (subject, attempts, first_at) VALUES (:subject, 1, :now) "
    "ON CONFLICT (subject) DO UPDATE SET attempts = login_failures.attempts + 1"
)


class LoginLimiter:
    """Counts logins that have not succeeded, by address and by name, over WINDOW_SECONDS from the first of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def admit(self, address: str, name: str) -> float:
        """Count an attempt and return 0.0, or return for how many seconds there may be none.

        It is counted before the password is looked at: many at once are not many free guesses.
        """
        with self._database.write() as connection:
            now = connection.execute(select(db_now())).scalar_one()
            connection.execute(delete(LoginFailureRow).where(LoginFailureRow.first_at <= now - WINDOW_SECONDS))
            # In one order, or two attempts could wait for each other.
            for subject, most in sorted(_subjects(address, name)):
                connection.execute(_COUNT, {"subject": subject, "now": now})
                of_subject = select(LoginFailureRow.attempts, LoginFailureRow.first_at).where(
                    LoginFailureRow.subject == subject
                )
                attempts, first_at = connection.execute(of_subject).one()
                if attempts > most:
                    return max(1.0, float(first_at) + WINDOW_SECONDS - float(now))
        return 0.0

    def succeeded(self, address: str, name: str) -> None:
        """Forget the failures of the name, and of the address this one attempt.

        Not all of the address's: else whoever has one account could guess at others without end, by logging in
        between two guesses.
        """
        (from_address, _), (at_name, _) = _subjects(address, name)
        with self._database.write() as connection:
            fewer = LoginFailureRow.attempts - 1
            connection.execute(
                update(LoginFailureRow).where(LoginFailureRow.subject == from_address).values(attempts=fewer)
            )
            connection.execute(
                delete(LoginFailureRow).where(
                    (LoginFailureRow.subject == at_name)
                    | ((LoginFailureRow.subject == from_address) & (LoginFailureRow.attempts <= 0))
                )
            )


def _subjects(address: str, name: str) -> tuple[tuple[str, int], tuple[str, int]]:
    return (
        (f"address {client_network(address)}"[:128], MAX_ATTEMPTS_BY_ADDRESS),
        (f"name {name}"[:128], MAX_ATTEMPTS_BY_NAME),
    )
