"""A login is a row: it ends with it, and by its age."""

import pytest
from sqlalchemy import select

from admin.domain import accounts, sessions
from admin.domain.roles import Role
from shared.db.tables.accounts import SessionRow
from shared.errors import DatabaseFull, UsageError
from shared.services import Services


def test_the_key_is_stored_as_a_hash_alone(services: Services) -> None:
    key = sessions.begin(services.database, "ana", address="192.0.2.1", browser="Firefox\n\x1b[1m")
    with services.database.read() as connection:
        row = connection.execute(select(SessionRow.__table__)).one()
    assert key not in repr(row)
    assert (row.address, row.browser) == ("192.0.2.1", "Firefox[1m")


def test_who_shows_a_key(services: Services) -> None:
    key = sessions.begin(services.database, "ana")
    found = sessions.visitor(services.database, key)
    assert found is not None
    assert (found.account.name, found.account.role) == ("ana", Role.OPERATOR)
    for wrong in ("", key[:-1], key + "x", found.session.id, "a:ana", "\ud800"):
        assert sessions.visitor(services.database, wrong) is None


def age(services: Services, seconds: float) -> None:
    with services.database.write() as connection:
        for column in ("created_at", "expires_at", "seen_at"):
            connection.exec_driver_sql(f"UPDATE sessions SET {column} = {column} - {seconds}")


def test_a_session_ends_by_its_age_however_much_it_is_used(services: Services) -> None:
    key = sessions.begin(services.database, "ana")
    for _ in range(11):
        age(services, 3600)
        assert sessions.visitor(services.database, key)
    age(services, 3600)
    assert sessions.visitor(services.database, key) is None
    assert sessions.sessions(services.database, "ana") == []
    sessions.begin(services.database, "ana")
    with services.database.read() as connection:
        assert len(connection.execute(select(SessionRow.id)).all()) == 1


def test_its_use_is_noted_once_a_minute_and_a_full_disk_keeps_nobody_out(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = sessions.begin(services.database, "ana")
    age(services, 120)
    before = sessions.sessions(services.database, "ana")[0].seen_at
    sessions.visitor(services.database, key)
    noted = sessions.sessions(services.database, "ana")[0].seen_at
    assert noted > before
    sessions.visitor(services.database, key)
    assert sessions.sessions(services.database, "ana")[0].seen_at == noted
    age(services, 120)

    def full(*_arguments: object) -> None:
        raise DatabaseFull("no room")

    monkeypatch.setattr(type(services.database), "write", full)
    assert sessions.visitor(services.database, key)


def test_a_new_password_ends_all_sessions_but_the_one_that_is_kept(services: Services) -> None:
    keys = [sessions.begin(services.database, "ana") for _ in range(3)]
    kept = sessions.visitor(services.database, keys[1])
    assert kept is not None
    accounts.set_password(services.database, "ana", "a new password of words", keep_session=kept.session.id)
    assert [sessions.visitor(services.database, key) is not None for key in keys] == [False, True, False]
    accounts.set_password(services.database, "ana", "another password of words")
    assert sessions.visitor(services.database, keys[1]) is None


def test_nobody_ends_the_sessions_of_others(services: Services) -> None:
    accounts.add(services.database, "op", "words that op knows", Role.OPERATOR)
    key = sessions.begin(services.database, "op")
    (session,) = sessions.sessions(services.database, "op")
    with pytest.raises(UsageError):
        sessions.end(services.database, session.id, user_name="ana")
    assert sessions.end_others(services.database, "ana") == 0
    assert sessions.visitor(services.database, key)
    accounts.remove(services.database, "op")
    assert sessions.visitor(services.database, key) is None


def test_an_account_has_so_many_sessions(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 2)
    keys = [sessions.begin(services.database, "ana") for _ in range(3)]
    assert [sessions.visitor(services.database, key) is not None for key in keys] == [False, True, True]
