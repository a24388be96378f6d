"""The page of one's own account: sessions, and another password."""

from flask import Flask
from flask.testing import FlaskClient

from admin.domain import accounts, sessions, tokens
from admin.domain.roles import Role
from shared.services import Services
from tests.unit.admin.conftest import PASSWORD, Browser

NEW = "quite another set of words"


def copy_of(app: Flask, browser: Browser) -> FlaskClient:
    """Another browser with the same cookie."""
    cookie = browser.client.get_cookie(browser.client.application.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    client = app.test_client()
    client.set_cookie(browser.client.application.config["SESSION_COOKIE_NAME"], cookie.value)
    return client


def test_a_copy_of_the_cookie_is_dead_after_the_logout(app: Flask, browser: Browser) -> None:
    copy = copy_of(app, browser)
    assert copy.get("/tokens").status_code == 200
    browser.submit("/logout")
    assert copy.get("/tokens").status_code == 302
    assert "Your session has ended" in copy.get("/login").text


def test_the_page_lists_the_sessions_and_ends_them(app: Flask, browser: Browser, services: Services) -> None:
    elsewhere = sessions.begin(services.database, "ana", address="192.0.2.7", browser="<b>Firefox</b>")
    page = browser.get("/account").text
    assert "192.0.2.7" in page
    assert "&lt;b&gt;Firefox" in page
    assert "this one" in page
    other = next(found for found in sessions.sessions(services.database, "ana") if found.address == "192.0.2.7")
    assert browser.submit(f"/account/sessions/{other.id}/end", page="/account").location == "/account"
    assert sessions.visitor(services.database, elsewhere) is None
    assert browser.submit(f"/account/sessions/{other.id}/end", page="/account").status_code == 404
    more = [sessions.begin(services.database, "ana") for _ in range(2)]
    browser.submit("/account/sessions/end-others", page="/account")
    assert [sessions.visitor(services.database, key) for key in more] == [None, None]
    assert "2 other sessions ended." in browser.get("/account").text


def change(browser: Browser, **form: str) -> int:
    data = {"password": PASSWORD, "new": NEW, "again": NEW} | form
    return browser.submit("/account/password", data, page="/account").status_code


def test_a_new_password_asks_for_the_old_one(browser: Browser, services: Services) -> None:
    other = sessions.begin(services.database, "ana")
    token = tokens.create(services.database, "ana", "script", Role.VIEWER)
    for wrong in ({"password": "not the password"}, {"password": ""}, {"again": "something else"},
                  {"new": "letmein12345", "again": "letmein12345"}, {"new": "", "again": ""}):  # fmt: skip
        assert change(browser, **wrong) == 400
    assert accounts.verify(services.database, "ana", PASSWORD)
    assert sessions.visitor(services.database, other)
    assert change(browser) == 302
    assert accounts.verify(services.database, "ana", NEW)
    assert sessions.visitor(services.database, other) is None
    assert browser.get("/account").status_code == 200  # the session that asked goes on
    assert tokens.bearer(services.database, token)
    assert change(browser, password=NEW, new=PASSWORD, again=PASSWORD, revoke_tokens="y") == 302
    assert tokens.bearer(services.database, token) is None


def test_passwords_cannot_be_tried_out_in_an_open_session(browser: Browser) -> None:
    for _ in range(10):
        change(browser, password="not the password")
    form = {"password": PASSWORD, "new": NEW, "again": NEW}
    assert "Too many attempts" in browser.submit("/account/password", form, page="/account").text
