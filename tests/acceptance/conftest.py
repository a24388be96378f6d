"""The admin in a real browser, with somebody logged in.

The worker is simulated (real claims and objects, no network), so that a test can hold it still and look.
"""

import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from pydantic import SecretStr

from admin.domain.accounts import ensure_first_account
from devservers.process import free_ports, running
from shared.config import child_environment, load_settings
from shared.services import Services, connect
from tests.prepared_tables import make_tables

PASSWORD = "a password of many words"
LONG_MS = 300_000  # a slow day; what hangs ends with the limit that pytest has for a test
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture
def services(tmp_path: Path, broker_url: str) -> Iterator[Services]:
    settings = load_settings(
        delineate_home=tmp_path,
        database_url=f"sqlite:///{tmp_path / 'test.sqlite3'}",
        broker_url=broker_url,
        store_url=(tmp_path / "objects").as_uri(),
        admin_username="ana",
        admin_password=SecretStr(PASSWORD),
    )
    services = connect(settings)
    make_tables(services.database)
    services.store.prepare()
    ensure_first_account(settings, services.database)
    yield services
    services.close()


@pytest.fixture
def address(services: Services, tmp_path: Path) -> Iterator[str]:
    settings = services.settings
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    environment = child_environment(
        settings,
        DATABASE_URL=settings.database_url,
        BROKER_URL=settings.broker_url,
        STORE_URL=settings.store_url,
        SECRET_KEY="of thirty-two characters or more.",
        ADMIN_PORT=str(port),
    )

    def answers() -> None:
        with urllib.request.urlopen(f"{address}/health/live", timeout=5):
            pass

    command = [sys.executable, "-P", "-m", "admin.cli", "serve"]
    with running(command, folder=tmp_path, wait_until=answers, environment=environment):
        yield address


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS), timeout=LONG_MS)
        expect.set_options(timeout=LONG_MS)
        yield browser
        browser.close()


def new_context(browser: Browser, address: str) -> BrowserContext:
    """Cookies of their own, and patience."""
    context = browser.new_context(base_url=address, accept_downloads=True)
    context.set_default_timeout(LONG_MS)
    return context


def log_in(page: Page) -> None:
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that is logged in. Whatever the console says against it, the content policy included, fails the test."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    context = new_context(browser, address)
    page = context.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/")
    log_in(page)
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    page.goto("/jobs")
    yield page
    context.close()
    assert complaints == []
