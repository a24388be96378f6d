import re

import pytest
from flask import Flask
from sqlalchemy import select

from admin.domain import accounts, tokens
from admin.domain.roles import Role
from shared.db.tables.accounts import TokenRow
from shared.errors import DatabaseFull, UsageError
from shared.services import Services
from tests.unit.admin.conftest import PASSWORD, Browser

MADE = {"role": "viewer", "days": "30", "password": PASSWORD}


def test_a_token_is_stored_as_a_hash_alone(services: Services) -> None:
    token = tokens.create(services.database, "ana", "script", Role.OPERATOR)
    assert re.fullmatch(r"dln_[\w-]{43}", token)
    with services.database.read() as connection:
        row = connection.execute(select(TokenRow.__table__)).one()
    assert token[4:] not in repr(row)
    assert re.fullmatch(r"[0-9a-f]{64}", row.token_hash)


def test_whose_a_token_is(services: Services) -> None:
    database = services.database
    token = tokens.create(database, "ana", "script", Role.OPERATOR)
    found = tokens.bearer(database, token)
    assert found is not None
    assert (found.account.name, found.role, found.token.name) == ("ana", Role.OPERATOR, "script")
    for wrong in ("", token[:-1], token + "x", token.swapcase(), "dln_" + "x" * 43, found.token.id):
        assert tokens.bearer(database, wrong) is None


def test_its_use_is_noted_once_a_minute(services: Services) -> None:
    token = tokens.create(services.database, "ana", "script", Role.VIEWER)
    assert tokens.tokens(services.database)[0].last_used_at is None
    tokens.bearer(services.database, token)
    first = tokens.tokens(services.database)[0].last_used_at
    assert first is not None
    tokens.bearer(services.database, token)
    assert tokens.tokens(services.database)[0].last_used_at == first


def test_a_full_disk_keeps_no_token_from_looking(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tokens.create(services.database, "ana", "script", Role.VIEWER)

    def full(*_arguments: object) -> None:
        raise DatabaseFull("no room")

    monkeypatch.setattr(type(services.database), "write", full)
    assert tokens.bearer(services.database, token)


def test_an_expired_token_opens_nothing(services: Services) -> None:
    token = tokens.create(services.database, "ana", "script", Role.VIEWER, days=1)
    assert tokens.bearer(services.database, token)
    with services.database.write() as connection:
        connection.exec_driver_sql("UPDATE tokens SET expires_at = expires_at - 86400")
    assert tokens.bearer(services.database, token) is None


def test_a_token_goes_with_its_account_and_with_its_role(services: Services) -> None:
    accounts.add(services.database, "op", "words that op knows", Role.OPERATOR)
    token = tokens.create(services.database, "op", "script", Role.OPERATOR)
    accounts.set_role(services.database, "op", Role.VIEWER)
    found = tokens.bearer(services.database, token)
    assert found is not None
    assert found.role is Role.VIEWER
    accounts.remove(services.database, "op")
    assert tokens.bearer(services.database, token) is None
    assert tokens.tokens(services.database) == []


def test_what_no_token_can_be(services: Services) -> None:
    database = services.database
    tokens.create(database, "ana", "script", Role.VIEWER)
    accounts.add(database, "vic", "words that vic knows", Role.VIEWER)
    for user, name, role, days in (
        ("ana", "script", Role.VIEWER, None), ("nobody", "x", Role.VIEWER, None), ("vic", "x", Role.OPERATOR, None),
        ("ana", "", Role.VIEWER, None), ("ana", "a\nb", Role.VIEWER, None), ("ana", "x", Role.VIEWER, 0),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            tokens.create(database, user, name, role, days=days)


def test_an_account_has_so_many_tokens(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_TOKENS", 2)
    for number in range(2):
        tokens.create(services.database, "ana", f"script {number}", Role.VIEWER)
    with pytest.raises(UsageError, match="at most 2"):
        tokens.create(services.database, "ana", "one more", Role.VIEWER)


def test_the_page_makes_a_token_shows_it_once_and_revokes_it(app: Flask, browser: Browser, services: Services) -> None:
    made = browser.submit("/tokens", MADE | {"name": "<b>script</b>", "role": "operator"}, page="/tokens")
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    token = re.search(r"dln_[\w-]{43}", made.text)[0]
    assert "Set-Cookie" not in made.headers
    assert "&lt;b&gt;script" in made.text
    assert "dln_" not in browser.get("/tokens").text
    headers = {"Authorization": f"Bearer {token}"}
    client = app.test_client()
    assert client.get("/api/v1/me", headers=headers).json["role"] == "operator"
    known = tokens.tokens(services.database, "ana")[0]
    assert browser.submit(f"/tokens/{known.id}/revoke", page="/tokens").location == "/tokens"
    assert client.get("/api/v1/me", headers=headers).status_code == 401


def test_the_page_says_what_is_wrong(browser: Browser, services: Services) -> None:
    tokens.create(services.database, "ana", "script", Role.VIEWER)
    for data in ({"name": ""}, {"name": "script"}, {"name": "x", "role": "root"}, {"name": "x", "days": "7"},
                 {"name": "x", "password": "not that one"}, {"name": "x", "password": ""}):  # fmt: skip
        answer = browser.submit("/tokens", MADE | data, page="/tokens")
        assert answer.status_code == 400
        assert 'class="wrong"' in answer.text


def test_nobody_sees_or_revokes_the_tokens_of_others(browser: Browser, services: Services) -> None:
    accounts.add(services.database, "op", "words that op knows", Role.OPERATOR)
    token = tokens.create(services.database, "op", "of-op", Role.VIEWER)
    assert "of-op" not in browser.get("/tokens").text
    (known,) = tokens.tokens(services.database, "op")
    assert browser.submit(f"/tokens/{known.id}/revoke", page="/tokens").status_code == 404
    assert tokens.bearer(services.database, token)


def test_a_viewer_makes_no_token_of_an_operator(browser: Browser, services: Services) -> None:
    accounts.add(services.database, "op", "words that op knows", Role.OPERATOR)
    accounts.set_role(services.database, "ana", Role.VIEWER)
    assert 'value="operator"' not in browser.get("/tokens").text
    wanted = MADE | {"name": "x"}
    assert browser.submit("/tokens", wanted | {"role": "operator"}, page="/tokens").status_code == 400
    assert browser.submit("/tokens", wanted | {"role": "viewer"}, page="/tokens").status_code == 201
