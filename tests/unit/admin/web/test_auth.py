import secrets

import pytest
from flask import Flask

from admin.domain import accounts
from admin.serving.app import create_app
from admin.web.guard import security
from admin.web.guard.auth import PUBLIC, local_target
from shared.config import Settings
from shared.db.tables.base import new_id
from shared.errors import ConfigurationError
from shared.services import Services
from tests.unit.admin.conftest import NOTHING, PASSWORD, Browser, login


def test_every_page_asks_for_an_account(app: Flask, stranger: Browser) -> None:
    asked = 0
    for rule in app.url_map.iter_rules():
        if rule.endpoint in PUBLIC or rule.endpoint.startswith("api."):  # see test_api.py
            continue
        address = rule.build({name: "mask" if name == "name" else new_id() for name in rule.arguments})[1]
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            answer = stranger.client.open(address, method=method)
            assert answer.status_code == 302, (method, rule)
            assert answer.location.startswith("/login"), (method, rule)
            asked += 1
    assert asked >= 12


def test_login_leads_to_where_one_wanted_to_go(stranger: Browser) -> None:
    wanted = stranger.get("/jobs?before=" + new_id())
    answer = login(stranger, target=wanted.location)
    assert answer.location.startswith("/jobs?before=")
    assert stranger.get("/").status_code == 200
    assert stranger.get("/login").location == "/"


def test_a_poll_without_session_leads_nowhere(stranger: Browser) -> None:
    answer = stranger.get("/jobs/live", headers={"X-Live": "1"})
    assert (answer.status_code, answer.data) == (401, b"")


@pytest.mark.parametrize(("name", "password"), [("ana", "wrong password"), ("nobody", PASSWORD), ("", ""), ("ana", "")])
def test_wrong_logins_all_look_the_same(stranger: Browser, name: str, password: str) -> None:
    answer = login(stranger, password, name)
    assert answer.status_code == 401
    assert "Name and password do not fit." in answer.text
    assert stranger.get("/").status_code == 302


def test_the_cookie_is_out_of_reach_of_scripts_and_secure_over_https(app: Flask) -> None:
    plain, encrypted = Browser(app.test_client()), Browser(app.test_client())
    cookie = login(plain).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    page = encrypted.client.get("/login", base_url="https://localhost")
    assert "Secure" in page.headers["Set-Cookie"]


def test_x_forwarded_headers_count_only_behind_a_known_proxy(settings: Settings, services: Services) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    for proxies, secure in ((0, False), (1, True)):
        app = create_app(settings.model_copy(update={"admin_trusted_proxies": proxies}), services)
        cookie = app.test_client().get("/login", headers=headers).headers["Set-Cookie"]
        assert ("Secure" in cookie) is secure


def test_a_session_from_before_the_login_is_not_taken_over(stranger: Browser) -> None:
    before = stranger.token("/login")
    login(stranger)
    answer = stranger.client.post("/new/synthetic", data={"csrf_token": before, "count": "1"})
    assert answer.status_code == 400


def test_logging_out_ends_the_session(browser: Browser) -> None:
    assert browser.get("/logout").status_code == 405
    assert browser.submit("/logout").location == "/login"
    assert browser.get("/").status_code == 302


def test_a_new_password_ends_the_sessions_of_the_old_one(browser: Browser, services: Services) -> None:
    assert browser.get("/").status_code == 200
    accounts.set_password(services.database, "ana", "a new password of words")
    assert browser.get("/").status_code == 302


def test_a_removed_account_has_no_session(browser: Browser, services: Services) -> None:
    with services.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM users")
    assert browser.get("/").status_code == 302


@pytest.mark.parametrize(
    "address",
    [
        "/login", "/logout", "/new/synthetic", "/new/upload", f"/jobs/{NOTHING}/cancel", f"/jobs/{NOTHING}/retry",
        "/models/abcd/activate", "/models/rollback", "/tokens", f"/tokens/{NOTHING}/revoke", "/account/password",
        f"/account/sessions/{NOTHING}/end", "/account/sessions/end-others", "/views", f"/views/{NOTHING}/delete",
    ],
)  # fmt: skip
def test_changes_need_the_token_of_the_session(browser: Browser, address: str) -> None:
    for data in ({}, {"csrf_token": "made-up"}):
        answer = browser.client.post(address, data=data)
        if address == "/login":  # a second tab: this browser is logged in
            assert answer.location == "/"
            continue
        assert answer.status_code == 400
        assert "form is too old" in answer.text or "It is as you filled it in" in answer.text


def test_every_changing_route_is_tested_for_its_token(app: Flask) -> None:
    posts = {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in rule.methods}
    # The API looks at no cookie, so that nobody's browser can be made to change something there.
    assert {endpoint for endpoint in posts if not endpoint.startswith("api.")} == {
        "auth.log_in", "auth.logout", "submit.synthetic", "submit.upload", "filling.begin",
        "filling.known", "filling.add", "filling.finish", "cloning.form", "jobs.cancel", "jobs.retry",
        "models.activate", "models.rollback", "tokens.create", "tokens.revoke", "account.change_password",
        "account.end_session", "account.end_others", "review.grade", "review.take", "review.undo",
        "review.correct", "bulk.make", "bulk.stop", "compare.step", "views.save", "views.delete",
        "webhooks.test", "webhooks.send_again",
    }  # fmt: skip


@pytest.mark.parametrize(
    "target",
    [
        "https://example.org/", "//example.org", "/\\example.org", "\\/example.org", "/\t/example.org", "example.org",
        "/\n//example.org", "javascript:alert(1)", "", "/a\\..\\b", "///example.org", "http:///x", "/\x00/x",
    ],
)  # fmt: skip
def test_no_redirect_leads_away(target: str) -> None:
    assert local_target(target) is None


@pytest.mark.parametrize("target", ["/", "/jobs/1?state=failed&after=3", "/items/1#top", "/?next=//x"])
def test_redirects_within_the_site(target: str) -> None:
    assert local_target(target) == target


def test_an_open_redirect_goes_home(stranger: Browser) -> None:
    assert login(stranger, target="/login?next=//example.org/").location == "/"


def test_the_secret_key_must_be_given_and_long(settings: Settings, services: Services) -> None:
    for update in ({"secret_key": None}, {"secret_key": type(settings.secret_key)("x" * 31)}):
        with pytest.raises(ConfigurationError, match="SECRET_KEY"):
            create_app(settings.model_copy(update=update), services)


@pytest.mark.parametrize("key", ["x" * 64, "change-me-" * 5, "my-secret-key-0123456789-0123456789", "01" * 32])
def test_a_placeholder_for_the_secret_key_is_refused(settings: Settings, services: Services, key: str) -> None:
    with pytest.raises(ConfigurationError, match="placeholder"):
        create_app(settings.model_copy(update={"secret_key": type(settings.secret_key)(key)}), services)


def test_random_secret_keys_are_accepted() -> None:
    for _ in range(200):
        for key in (secrets.token_hex(16), secrets.token_hex(32), secrets.token_urlsafe(48)):
            assert len(set(key)) >= security._MIN_DISTINCT_CHARACTERS
            assert not security._PLACEHOLDER.search(key)


@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", True), ("::", True), ("127.0.0.1", False), ("::1", False)])
def test_an_address_that_others_reach_without_https_is_warned_of(
    settings: Settings, services: Services, caplog: pytest.LogCaptureFixture, host: str, warned: bool
) -> None:
    create_app(settings.model_copy(update={"admin_host": host}), services)
    assert ("not encrypted" in caplog.text) is warned


def test_the_log_says_who_asked_for_a_change(
    browser: Browser, stranger: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        browser.submit(f"/jobs/{NOTHING}/cancel")
        browser.client.post("/models/a%0Ab/rollback")
        stranger.client.post("/models/rollback")
        login(stranger)
    said = [record.getMessage() for record in caplog.records if getattr(record, "action", "") == "change_asked"]
    assert said == [
        f"POST '/jobs/{NOTHING}/cancel' by ana from 127.0.0.1: 404",
        "POST '/models/a\\nb/rollback' by ana from 127.0.0.1: 404",
    ]
    assert "login by ana from 127.0.0.1: ok" in caplog.text
    assert PASSWORD not in caplog.text
