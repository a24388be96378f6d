"""Guessing at passwords is slowed down."""

from concurrent.futures import ThreadPoolExecutor

from admin.serving.app import create_app
from admin.web.guard.auth_limiter import (
    MAX_ATTEMPTS_BY_ADDRESS,
    MAX_ATTEMPTS_BY_NAME,
    WINDOW_SECONDS,
    LoginLimiter,
)
from shared.config import Settings
from shared.services import Services, connect
from tests.unit.admin.conftest import Browser, login


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
