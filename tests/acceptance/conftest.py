"""The admin in a real browser, with somebody logged in.

The worker is simulated (real claims and objects, no network), so that a test can hold it still and look.
"""

import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from pydantic import SecretStr
from sqlalchemy import delete

from admin.domain.accounts import ensure_first_account
from devservers.process import free_ports, running
from shared.config import Settings, child_environment, load_settings
from shared.db.tables.base import Base
from shared.services import Services, connect
from tests.prepared_tables import make_tables

PASSWORD = "a password of many words"
LONG_MS = 300_000  # a slow day; what hangs ends with the limit that pytest has for a test
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def settings(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One stack for all tests of a process: its admin takes seconds to start."""
    home = tmp_path_factory.mktemp("home")
    settings = load_settings(
        delineate_home=home,
        database_url=f"sqlite:///{home / 'test.sqlite3'}",
        broker_url=redis_url,
        store_url=(home / "objects").as_uri(),
        admin_username="ana",
        admin_password=SecretStr(PASSWORD),
    )
    with closing(connect(settings)) as services:
        make_tables(services.database)
        services.store.prepare()
        ensure_first_account(settings, services.database)  # without one the admin does not start
    return settings


@pytest.fixture(scope="session")
def address(settings: Settings) -> Iterator[str]:
    """The admin of this stack."""
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
    folder = settings.delineate_home
    with running(command, folder=folder, wait_until=answers, environment=environment):
        yield address


@pytest.fixture
def services(settings: Settings, broker_url: str) -> Iterator[Services]:
    """The stack with nothing in it but an account."""
    services = connect(settings)
    with services.database.write() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(delete(table))
    ensure_first_account(settings, services.database)
    yield services
    services.close()


@pytest.fixture(scope="session")
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
def page(browser: Browser, address: str, services: Services) -> Iterator[Page]:
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
