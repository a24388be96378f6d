import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from admin.domain import accounts, tokens
from admin.serving.app import create_app
from admin.web.guard import security
from admin.web.guard.auth import FOR_REVIEWERS, PUBLIC, local_target
from admin.web.guard.auth_limiter import (
    MAX_ATTEMPTS_BY_ADDRESS,
    MAX_ATTEMPTS_BY_NAME,
    WINDOW_SECONDS,
    LoginLimiter,
)
from shared.config import Settings
from shared.db.tables import new_id
from shared.errors import ConfigurationError
from shared.services import Services, connect
from tests.unit.admin.conftest import NOTHING, PASSWORD, Browser


def login(browser: Browser, password: str = PASSWORD, name: str = "ana", target: str = "/login"):
    return browser.submit(target, {"name": name, "password": password}, page="/login")


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


# Everything that the admin serves, each of it a decision. A new endpoint is decided about here.
FOR_ANYBODY = {
    "static", "health.overall", "health.live", "health.ready", "api_docs.page", "api_docs.problem",
    "auth.login", "auth.log_in", "api.document",
    "metrics.show",  # for whoever has METRICS_TOKEN, see test_metrics.py
}  # fmt: skip
FOR_VIEWERS = {
    "auth.logout", "jobs.index", "jobs.live", "jobs.job", "jobs.progress", "jobs.items", "jobs.results", "items.item",
    "items.picture", "items.preview", "models.index", "tokens.index", "tokens.create", "tokens.revoke", "account.index",
    "account.change_password", "account.end_session", "account.end_others", "api.me", "api.jobs", "api.job",
    "api.job_items", "api.job_results", "api.item", "api.item_file", "api.models", "api.workers", "api.grade",
    "compare.index", "compare.pair", "compare.step", "compare.difference",
    "events.index", "api.list_events",
    "api.job_summary", "overview.index", "overview.live", "overview.past", "bulk.index", "bulk.one", "bulk.live",
    "api.list_bulk_actions", "api.see_bulk_action",
    "items.region", "api.item_objects", "jobs.distributions",
    "api.list_webhooks", "api.webhook_deliveries",
}  # fmt: skip
FOR_THE_DESK = {"review.desk"}
FOR_OPERATORS = {
    "submit.synthetic", "submit.upload", "jobs.cancel", "jobs.retry", "models.activate", "models.rollback",
    "api.submit_generated", "api.submit_uploaded", "api.cancel_job", "api.retry_job", "api.predict",
    "api.predict_json", "api.demo", "api.begin_submission", "api.add_to_job", "api.known_images", "api.seal_job",
    "api.discard_job", "api.find_submissions", "api.change_submission",
    "bulk.make", "bulk.stop", "api.ask_bulk_action", "api.abort_bulk_action",
    "api.add_webhook", "api.remove_webhook", "api.test_webhook", "api.send_again",
}  # fmt: skip


@pytest.mark.parametrize("role", [accounts.Role.VIEWER, accounts.Role.REVIEWER])
def test_each_endpoint_is_for_those_it_is_meant_for(
    app: Flask, browser: Browser, services: Services, role: accounts.Role
) -> None:
    decided = FOR_ANYBODY | FOR_VIEWERS | FOR_REVIEWERS | FOR_THE_DESK | FOR_OPERATORS
    assert {rule.endpoint for rule in app.url_map.iter_rules()} == decided
    assert PUBLIC == FOR_ANYBODY
    accounts.add(services.database, "op", "words that op knows", accounts.Role.OPERATOR)
    accounts.set_role(services.database, "ana", role)
    token = tokens.create(services.database, "ana", "script", role)
    headers = {"Authorization": f"Bearer {token}"}
    form = {"csrf_token": browser.token("/tokens")}
    names = {"name": "mask", "file": "mask", "filename": "admin.css"}
    # The last one ends the session.
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.endpoint == "auth.logout"):
        address = rule.build({name: names.get(name, NOTHING) for name in rule.arguments})[1]
        for method in rule.methods - {"OPTIONS"}:
            as_whom = {"headers": headers} if rule.endpoint.startswith("api.") else {"data": form}
            answer = browser.client.open(address, method=method, buffered=True, **as_whom)
            refused = rule.endpoint in FOR_OPERATORS or (
                rule.endpoint in FOR_REVIEWERS | FOR_THE_DESK and not role.may_review
            )
            assert (answer.status_code == 403) is refused, (method, rule)
            assert answer.status_code != 401 or rule.endpoint == "auth.log_in", (method, rule)


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
        f"/account/sessions/{NOTHING}/end", "/account/sessions/end-others",
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
        "auth.log_in", "auth.logout", "submit.synthetic", "submit.upload", "jobs.cancel", "jobs.retry",
        "models.activate", "models.rollback", "tokens.create", "tokens.revoke", "account.change_password",
        "account.end_session", "account.end_others", "review.grade", "review.take", "review.undo",
        "review.correct", "bulk.make", "bulk.stop", "compare.step",
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


def test_guessing_is_slowed_down(stranger: Browser) -> None:
    for _ in range(MAX_ATTEMPTS_BY_ADDRESS):
        assert login(stranger, "wrong password").status_code == 401
    answer = login(stranger)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= WINDOW_SECONDS
    assert "Too many attempts" in answer.text
    assert stranger.get("/").status_code == 302


def pass_time(services: Services, seconds: float) -> None:
    with services.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE login_failures SET first_at = first_at - {seconds}")


def test_the_limiter_counts_addresses_and_names_apart(services: Services) -> None:
    limiter = LoginLimiter(services.database)
    for _ in range(MAX_ATTEMPTS_BY_ADDRESS):
        assert limiter.admit("192.0.2.1", "ana") == 0
    assert 0 < limiter.admit("192.0.2.1", "bo") <= WINDOW_SECONDS
    for number in range(MAX_ATTEMPTS_BY_NAME - MAX_ATTEMPTS_BY_ADDRESS):
        assert limiter.admit(f"198.51.100.{number}", "ana") == 0
    assert limiter.admit("192.0.2.2", "ana") > 0
    assert limiter.admit("192.0.2.2", "bo") == 0
    pass_time(services, WINDOW_SECONDS)
    assert limiter.admit("192.0.2.1", "ana") == 0


def test_the_limit_holds_across_processes_and_restarts(settings: Settings, services: Services) -> None:
    first = Browser(create_app(settings, services).test_client())
    for _ in range(MAX_ATTEMPTS_BY_ADDRESS):
        assert login(first, "wrong password").status_code == 401
    second = connect(settings)
    assert login(Browser(create_app(settings, second).test_client())).status_code == 429
    second.close()


def test_many_guesses_at_once_are_not_more_guesses(services: Services) -> None:
    limiter = LoginLimiter(services.database)
    with ThreadPoolExecutor(4) as pool:
        waits = list(pool.map(lambda _: limiter.admit("192.0.2.1", "ana"), range(3 * MAX_ATTEMPTS_BY_ADDRESS)))
    assert waits.count(0.0) == MAX_ATTEMPTS_BY_ADDRESS


def test_the_limiter_takes_an_ipv6_network_for_one_client(services: Services) -> None:
    limiter = LoginLimiter(services.database)
    for number in range(MAX_ATTEMPTS_BY_ADDRESS):
        limiter.admit(f"2001:db8::{number}", f"name {number}")
    assert limiter.admit("2001:db8::ffff", "ana") > 0
    assert limiter.admit("2001:db8:0:1::1", "ana") == 0


def test_an_ipv4_client_in_the_clothes_of_ipv6_is_that_client(services: Services) -> None:
    limiter = LoginLimiter(services.database)
    for number in range(MAX_ATTEMPTS_BY_ADDRESS):
        limiter.admit("::ffff:192.0.2.1", f"name {number}")
    assert limiter.admit("192.0.2.1", "ana") > 0
    assert limiter.admit("::ffff:192.0.2.2", "ana") == 0


def test_what_a_client_says_of_its_address_opens_no_new_count(settings: Settings, services: Services) -> None:
    for proxies, forwarded in ((0, "203.0.113.{}"), (1, "203.0.113.{}, 192.0.2.1")):
        app = create_app(settings.model_copy(update={"admin_trusted_proxies": proxies}), services)
        browser = Browser(app.test_client())
        form = {"csrf_token": browser.token("/login"), "name": "ana", "password": "wrong password"}
        codes = [
            browser.client.post("/login", data=form, headers={"X-Forwarded-For": forwarded.format(n)}).status_code
            for n in range(MAX_ATTEMPTS_BY_ADDRESS + 1)
        ]
        assert codes == [401] * MAX_ATTEMPTS_BY_ADDRESS + [429]


def test_a_success_is_no_failure_and_gives_no_free_guesses(services: Services) -> None:
    limiter = LoginLimiter(services.database)
    for _ in range(3 * MAX_ATTEMPTS_BY_ADDRESS):
        assert limiter.admit("192.0.2.1", "ana") == 0
        limiter.succeeded("192.0.2.1", "ana")
    # Whoever has an account cannot use it to guess at another's: these two alternate.
    admitted = 0
    for _ in range(2 * MAX_ATTEMPTS_BY_ADDRESS):
        if limiter.admit("192.0.2.1", "bo") == 0:
            admitted += 1
        if limiter.admit("192.0.2.1", "ana") == 0:
            limiter.succeeded("192.0.2.1", "ana")
    assert admitted == MAX_ATTEMPTS_BY_ADDRESS


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


def test_a_viewer_looks_and_changes_nothing(app: Flask, browser: Browser, services: Services) -> None:
    accounts.add(services.database, "op", "words that op knows", accounts.Role.OPERATOR)
    accounts.set_role(services.database, "ana", accounts.Role.VIEWER)
    token = browser.token("/tokens")
    for rule in app.url_map.iter_rules():
        if "POST" not in rule.methods or rule.endpoint.startswith("api."):
            continue
        address = rule.build(dict.fromkeys(rule.arguments, NOTHING))[1]
        if rule.endpoint in FOR_ANYBODY | FOR_VIEWERS:
            continue
        answer = browser.client.post(address, data={"csrf_token": token})
        assert answer.status_code == 403, address
    page = browser.get("/jobs").text
    assert 'class="button primary" href="/new/' not in page
    for address in ("/new/upload", "/new/synthetic"):
        assert browser.get(address).status_code == 403
    for address in ("/", "/jobs", "/models", "/tokens"):
        assert browser.get(address).status_code == 200


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
