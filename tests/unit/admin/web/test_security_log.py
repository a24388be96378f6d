"""What the log tells of those who come, and of those who try."""

import logging
import re

import pytest
from flask import Flask

from admin.domain import accounts, tokens
from admin.domain.roles import Role
from admin.serving.app import create_app
from admin.web.guard.security_log import LINES_A_MINUTE, Throttle
from shared.config import Settings
from shared.services import Services
from tests.unit.admin.conftest import PASSWORD, Browser


@pytest.fixture(autouse=True)
def every_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


def lines(caplog: pytest.LogCaptureFixture, action: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if getattr(record, "action", "") == action]


def login(browser: Browser, name: str, password: str) -> int:
    return browser.submit("/login", {"name": name, "password": password}, page="/login").status_code


def test_a_login_and_its_failures(stranger: Browser, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("ana", "b\x1b[2J\u202eo" + "x" * 500, "nobody"):
        login(stranger, name, "not the password")
    failed = lines(caplog, "login_failed")
    assert [record.account for record in failed][::2] == ["ana", "nobody"]
    assert failed[1].account.startswith("b\\u001b[2J\\u202eo")
    assert len(failed[1].account) < 100
    assert all(record.address == "127.0.0.1" and record.outcome == "failed" for record in failed)
    login(stranger, "ana", PASSWORD)
    [done] = lines(caplog, "login")
    assert (done.account, done.address, done.outcome) == ("ana", "127.0.0.1", "ok")
    assert PASSWORD not in caplog.text
    assert "not the password" not in caplog.text


def test_attempts_that_were_limited(stranger: Browser, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(14):
        login(stranger, "ana", "not the password")
    assert len(lines(caplog, "login_failed")) == 10
    assert len(lines(caplog, "login_limited")) == 4


def test_what_was_refused(app: Flask, browser: Browser, services: Services, caplog: pytest.LogCaptureFixture) -> None:
    accounts.add(services.database, "op", "words that op knows", Role.OPERATOR)
    accounts.set_role(services.database, "ana", Role.VIEWER)
    browser.get("/new/upload")
    app.test_client().get("/api/v1/jobs", headers={"Authorization": "Bearer dln_" + "x" * 43})
    script = tokens.create(services.database, "ana", "nightly", Role.VIEWER)
    app.test_client().post("/api/v1/jobs/synthetic", json={}, headers={"Authorization": f"Bearer {script}"})
    browser.client.post("/logout", data={"csrf_token": "made up"})
    refused = lines(caplog, "access_refused")
    assert [record.getMessage() for record in refused] == [
        "GET '/new/upload' by ana from 127.0.0.1: 403",
        "POST '/api/v1/jobs/synthetic' by ana with the token nightly from 127.0.0.1: 403",
    ]
    assert refused[1].token == "nightly"
    assert lines(caplog, "token_refused")[0].outcome == "401"
    assert lines(caplog, "form_refused")[0].outcome == "form of another session"
    assert "xxxx" not in caplog.text


def test_changes_name_the_token(app: Flask, services: Services, caplog: pytest.LogCaptureFixture) -> None:
    script = tokens.create(services.database, "ana", "nightly", Role.OPERATOR)
    app.test_client().post("/api/v1/jobs/synthetic", json={"count": 1}, headers={"Authorization": f"Bearer {script}"})
    [change] = lines(caplog, "change_asked")
    assert (change.account, change.token, change.address, change.outcome) == ("ana", "nightly", "127.0.0.1", "201")


def test_what_a_session_does_to_accounts(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    form = {"password": PASSWORD, "new": "quite another set of words", "again": "quite another set of words"}
    browser.submit("/account/password", form | {"password": "wrong"}, page="/account")
    browser.submit("/account/password", form, page="/account")
    made = {"name": "x", "role": "viewer", "days": "30", "password": form["new"]}
    browser.submit("/tokens", made, page="/tokens")
    browser.submit("/logout")
    for action in ("password_refused", "password_changed", "token_created", "logout"):
        [line] = lines(caplog, action)
        assert line.account == "ana"


def test_a_stranger_does_not_fill_the_log(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    client = app.test_client()
    for _ in range(3 * LINES_A_MINUTE):
        client.get("/api/v1/jobs")
    assert len(lines(caplog, "token_refused")) == LINES_A_MINUTE


def test_what_was_left_out_is_counted() -> None:
    time = 0.0
    throttle = Throttle(lambda: time)
    said = [throttle.admit("a", "192.0.2.1") for _ in range(LINES_A_MINUTE + 5)]
    assert said == [0] * LINES_A_MINUTE + [None] * 5
    assert throttle.admit("a", "192.0.2.2") == throttle.admit("b", "192.0.2.1") == 0
    time = 60.0
    assert throttle.admit("a", "192.0.2.1") == 5
    assert throttle.admit("a", "192.0.2.1") == 0
    for number in range(5000):
        throttle.admit("a", f"198.51.{number // 256}.{number % 256}")
    assert len(throttle._windows) <= 1000


@pytest.mark.parametrize(
    ("asked", "trusted", "status"),
    [
        ("localhost", "", 200), ("localhost:8000", "", 200), ("127.0.0.1:8000", "", 200), ("[::1]:8000", "", 200),
        ("evil.example", "", 400), ("127.0.0.1.evil.example", "", 400), ("evil.example:8000", "", 400),
        ("evil.example", "masks.example", 400), ("Masks.Example:8443", "masks.example", 200),
        ("localhost", "masks.example", 200), ("evil.example", "*", 200),
    ],
)  # fmt: skip
def test_names_under_which_the_admin_answers(
    settings: Settings, services: Services, asked: str, trusted: str, status: int
) -> None:
    client = create_app(settings.model_copy(update={"trusted_hosts": trusted}), services).test_client()
    answer = client.get("/login", headers={"Host": asked})
    assert answer.status_code == status
    assert ("TRUSTED_HOSTS" in answer.text) is (status == 400)
    assert client.get("/health/live", headers={"Host": asked}).status_code == 200


def test_any_name_leads_to_an_admin_that_others_reach(settings: Settings, services: Services) -> None:
    for update in ({"admin_host": "0.0.0.0"}, {"admin_trusted_proxies": 1}):
        client = create_app(settings.model_copy(update=update), services).test_client()
        assert client.get("/login", headers={"Host": "masks.example"}).status_code == 200


def test_a_browser_without_cookies_is_told_so(stranger: Browser, app: Flask) -> None:
    token = stranger.token("/login")
    answer = app.test_client().post("/login", data={"csrf_token": token, "name": "ana", "password": PASSWORD})
    assert answer.status_code == 400
    assert "Allow cookies for this site" in answer.text


def test_over_https_the_cookie_cannot_be_planted_and_a_logout_clears_what_is_kept(app: Flask) -> None:
    client, secure = app.test_client(), "https://localhost"
    sent = {"base_url": secure, "headers": {"Sec-Fetch-Site": "same-origin"}}
    page = client.get("/login", base_url=secure)
    assert page.headers["Set-Cookie"].startswith("__Host-delineate-")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)[1]
    cookie = client.post("/login", data={"csrf_token": token, "name": "ana", "password": PASSWORD}, **sent)
    assert "Secure" in cookie.headers["Set-Cookie"]
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/", base_url=secure).text)[1]
    assert client.post("/logout", data={"csrf_token": token}, **sent).headers["Clear-Site-Data"] == '"cache"'
