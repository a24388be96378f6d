"""The admin in a real browser: log in, start a job by its form, watch it, look at an item, take the results home.

The worker is simulated (real claims and objects, no network), so that the test can hold it still and look.
"""

import json
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from pydantic import SecretStr

from admin.domain import sessions, tokens
from admin.domain.accounts import ensure_first_account
from admin.domain.roles import Role
from admin.pages.pictures import THUMBNAIL
from devservers.process import free_ports, running
from shared.config import child_environment, load_settings
from shared.db.migrate import migrate
from shared.db.model_registry import ModelRegistry
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.state import JobStatus
from shared.services import Services, connect
from tests import simulated_worker

PASSWORD = "a password of many words"
LONG_MS = 60_000  # a loaded machine
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
IMAGES = 6


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
    migrate(services.database)
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
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that is logged in. Whatever the console says against it, the content policy included, fails the test."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    context = browser.new_context(base_url=address, accept_downloads=True)
    context.set_default_timeout(LONG_MS)
    expect.set_options(timeout=LONG_MS)
    page = context.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/")
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    page.goto("/jobs")
    yield page
    context.close()
    assert complaints == []


def test_a_synthetic_job_from_its_form_to_its_results(page: Page, services: Services, tmp_path: Path) -> None:
    page.get_by_role("link", name="New synthetic job").click()
    page.get_by_label("Name").fill("from the browser")
    page.get_by_label("Images").fill(str(IMAGES))
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text(f"Started with {IMAGES} images.")).to_be_visible()
    progress = page.locator("#progress")
    expect(progress).to_contain_text("queued")

    # The page follows by itself, item by item.
    page.evaluate("window.kept = 'yes'")
    job_id = page.url.rpartition("/")[2]
    for number, _ in enumerate(simulated_worker.process_one_by_one(services, job_id), start=1):
        expect(progress).to_contain_text(f"{number} of {IMAGES} finished")
    assert services.repository.job(job_id).state is JobStatus.SUCCEEDED
    expect(progress).to_contain_text("succeeded")

    # Nothing was loaded anew for that.
    expect(page.get_by_text("Download as…")).to_be_visible()
    assert page.evaluate("window.kept") == "yes"
    thumbnails = page.locator(".card img")
    expect(thumbnails).to_have_count(IMAGES)
    for thumbnail in thumbnails.all():
        thumbnail.scroll_into_view_if_needed()
        expect(thumbnail).to_have_js_property("complete", True)
        assert 0 < thumbnail.evaluate("image => image.naturalWidth") <= THUMBNAIL  # noise is kept smaller

    with page.expect_download() as download:
        page.get_by_text("Download as…").click()
        page.get_by_role("button", name="Download", exact=True).click()
    download.value.save_as(tmp_path / "results.zip")
    with zipfile.ZipFile(tmp_path / "results.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 4 * IMAGES + 2  # results.csv and manifest.json


def test_a_page_that_follows_keeps_what_is_its_readers(browser: Browser, address: str, services: Services) -> None:
    """Focus, what is typed and what is open outlive news, an outage and the end of the session."""
    context = browser.new_context(base_url=address)
    context.set_default_timeout(LONG_MS)
    page = context.new_page()
    page.goto("/login")
    log_in(page)
    page.goto("/jobs")
    state, banner = page.locator("#live-state"), page.locator("#live-banner")
    expect(state).to_have_text("Live")
    page.get_by_label("Name, submitter or end of the id").fill("half a wo")
    page.get_by_text("More filters").click()
    job = submit_synthetic(services, SyntheticSpec(2), name="news", submitted_by="bea (web)")
    expect(page.get_by_role("link", name="news")).to_be_visible()
    page.evaluate("document.querySelector('#live th a').focus()")
    context.set_offline(True)
    expect(banner).to_contain_text("The server does not answer.")
    expect(state).to_have_text("Reconnecting")
    simulated_worker.process(services, job)
    context.set_offline(False)
    expect(page.locator("#live")).to_contain_text("succeeded")
    expect(banner).to_be_hidden()
    assert page.evaluate("document.activeElement.textContent") == "news"
    expect(page.get_by_label("Name, submitter or end of the id")).to_have_value("half a wo")
    expect(page.get_by_label("Owner")).to_be_visible()

    state.click()
    expect(state).to_have_text("Paused")
    later = submit_synthetic(services, SyntheticSpec(1), name="later", submitted_by="bea (web)")
    state.click()
    expect(page.get_by_role("link", name="later")).to_be_visible()

    page.goto(f"/jobs/{later}")
    sessions.end_others(services.database, "ana", but="")
    expect(banner).to_contain_text("Your session has ended: log in again in another tab.")
    other = context.new_page()
    other.goto("/login")
    log_in(other)
    expect(banner).to_be_hidden()
    page.get_by_text("Cancel…").click()
    page.get_by_role("button", name="Cancel the job").click()  # a form of the session before
    expect(page.locator("#progress")).to_contain_text("cancelled")
    context.close()


def test_light_and_dark_are_chosen_and_kept(page: Page) -> None:
    def ground() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page.emulate_media(color_scheme="light")
    light = ground()
    page.emulate_media(color_scheme="dark")
    dark = ground()
    assert light != dark
    page.get_by_role("button", name="Theme: system").click()
    assert ground() == light
    page.reload()
    assert ground() == light
    page.get_by_role("button", name="Theme: light").click()
    assert ground() == dark
    page.get_by_role("button", name="Theme: dark").click()
    page.emulate_media(color_scheme="light")
    assert ground() == light


def log_in(page: Page) -> None:
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def test_an_item_is_looked_at_with_keys_and_the_next_one_follows(page: Page, services: Services) -> None:
    page.goto("/new/synthetic")
    page.get_by_label("Images").fill("3")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/jobs/*")
    job_id = page.url.rpartition("/")[2]
    simulated_worker.process(services, job_id)
    first, second, third = services.repository.items(job_id, limit=3)
    worst_first = sorted((first, second, third), key=lambda item: item.dice or 0)
    page.goto(f"/items/{worst_first[0].id}?sort=dice")
    ready = page.locator("#item[data-ready=yes]")
    expect(ready).to_be_visible()

    # What the slider says is what was measured, and moving it changes the picture without a request.
    says = page.locator("#at-threshold")
    expect(says).to_contain_text(f"Dice {worst_first[0].dice:.4f}")
    expect(says).to_contain_text("the stored mask")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    pictures = [drawn(page)]
    page.get_by_label("Threshold of the probability").fill("250")
    expect(says).to_contain_text("p ≥ 0.980")
    for key in ("f", "m", "t", "h", "x", "+", "1", "v"):
        page.keyboard.press(key)
        page.wait_for_timeout(60)
        if key != "f":  # no key of ours
            pictures.append(drawn(page))
    assert len(set(pictures)) == len(pictures)
    assert requests == []
    page.get_by_label("Shown as white").fill("90")
    expect(page.locator("#window-says")).to_have_text("0 to 90")

    # The next and the one before are those of the order that one came from; the page stays.
    page.evaluate("window.kept = 'yes'")
    for item, key in ((worst_first[1], "n"), (worst_first[2], "ArrowRight"), (worst_first[1], "p")):
        page.keyboard.press(key)
        expect(page.get_by_role("heading", name=item.path)).to_be_visible()
        expect(ready).to_be_visible()
        assert page.url.endswith(f"/items/{item.id}?sort=dice")
    assert page.evaluate("window.kept") == "yes"
    page.go_back()
    expect(page.get_by_role("heading", name=worst_first[2].path)).to_be_visible()

    # Keys can be turned off; help opens all the same.
    page.keyboard.press("?")
    page.get_by_label("Keys are on").uncheck()
    page.keyboard.press("p")
    page.keyboard.press("?")
    expect(page.get_by_label("Keys are on")).to_be_hidden()
    expect(page.get_by_role("heading", name=worst_first[2].path)).to_be_visible()

    expect(page.get_by_text(simulated_worker.MODEL)).to_be_visible()
    page.get_by_text("Single pictures").click()
    picture = page.get_by_role("img", name="Overlay of")
    expect(picture).to_have_js_property("naturalWidth", 512)


def drawn(page: Page) -> str:
    return str(page.evaluate("document.querySelector('canvas[data-shows=result]').toDataURL()"))


def test_an_upload_with_a_bad_file_and_a_hostile_name(page: Page, services: Services, tmp_path: Path) -> None:
    good = simulated_worker.encode_grey(simulated_worker.synthesise(1, size=128).image)
    (tmp_path / "good.png").write_bytes(good)
    (tmp_path / "<img src=x onerror=document.title=1>.png").write_bytes(b"text")
    page.get_by_role("link", name="Upload images").click()
    page.get_by_label("Images", exact=True).set_input_files(sorted(tmp_path.glob("*.png")))
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/jobs/*")
    simulated_worker.process(services, page.url.rpartition("/")[2])
    expect(page.locator("#progress")).to_contain_text("partial")
    expect(page.get_by_role("heading", name="Why images failed")).to_be_visible()
    page.locator("#tab-failed").click()
    expect(page.get_by_role("link", name="<img src=x onerror=document.title=1>.png")).to_be_visible()
    assert page.title() == "upload · Delineate"


def test_a_job_is_cancelled_after_a_second_thought(page: Page, services: Services) -> None:
    page.goto("/new/synthetic")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/jobs/*")
    button = page.get_by_role("button", name="Cancel the job")
    expect(button).to_be_hidden()
    page.get_by_text("Cancel…").click()
    button.click()
    expect(page.locator("#progress")).to_contain_text("cancelled")
    page.get_by_role("button", name="Retry what did not succeed").click()
    expect(page.locator("#progress")).to_contain_text("queued")


@pytest.mark.parametrize("width", [360, 1440])
def test_no_page_is_wider_than_the_screen(page: Page, services: Services, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/new/synthetic")
    page.get_by_label("Name").fill("a-name-without-any-place-to-break-" * 5)
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/jobs/*")
    job_id = page.url.rpartition("/")[2]
    for _ in zip(range(2), simulated_worker.process_one_by_one(services, job_id), strict=False):
        pass
    item = services.repository.items(job_id, limit=1)[0].id
    tokens.create(services.database, "ana", "a-name-without-any-place-to-break-" + "x" * 30, Role.OPERATOR)
    registry = ModelRegistry(services.database, services.store)
    registry.publish(b"weights", b"{}", name="a-name-without-any-place-to-break-" * 5, summary={}, by="ana@host")
    for address in (
        "/",
        f"/jobs/{job_id}",
        f"/items/{item}",
        "/new/upload",
        "/new/synthetic",
        "/models",
        "/jobs",
        "/events",
        "/bulk-actions",
        "/tokens",
        "/account",
    ):
        page.goto(address)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow == 0, address


def test_a_token_is_made_used_and_revoked(page: Page, address: str) -> None:
    page.get_by_role("link", name="Tokens").click()
    page.get_by_label("Name").fill("nightly script")
    page.get_by_label("May").select_option("operator")
    page.get_by_label("Valid for").select_option("30 days")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Make the token").click()
    token = page.locator("#token").inner_text()
    request = urllib.request.Request(f"{address}/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["role"] == "operator"
    page.get_by_role("link", name="Tokens").click()
    expect(page.get_by_role("rowheader", name="nightly script")).to_be_visible()
    assert token not in page.content()
    page.get_by_role("button", name="Revoke nightly script").click()
    expect(page.get_by_text("Revoked:")).to_be_visible()
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(request, timeout=60)
    refused.value.close()


def test_a_form_is_sent_once_however_often_it_is_clicked(page: Page, services: Services) -> None:
    page.goto("/new/synthetic")
    page.get_by_role("button", name="Start").dblclick()
    page.wait_for_url("**/jobs/*")
    assert len(services.repository.jobs(limit=10)) == 1
    page.go_back()
    expect(page.get_by_role("button", name="Start")).to_be_enabled()


def test_what_is_too_large_is_refused_before_it_is_sent(page: Page, services: Services, tmp_path: Path) -> None:
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(services.settings.max_source_bytes + 1)
    page.goto("/new/upload")
    page.get_by_label("Images", exact=True).set_input_files(tmp_path / "large.png")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("alert")).to_contain_text("large.png is larger than 256 MiB")
    expect(page.get_by_role("button", name="Upload")).to_be_enabled()
    assert "POST" not in sent


def test_a_form_outlives_logins_in_another_tab(page: Page, services: Services, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(simulated_worker.encode_grey(simulated_worker.synthesise(1, size=128).image))
    page.goto("/new/upload")
    page.get_by_label("Name").fill("of the first tab")
    page.get_by_label("Images", exact=True).set_input_files(tmp_path / "a.png")
    other, third = page.context.new_page(), page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Log out").click()
    expect(other.get_by_role("heading", name="Log in")).to_be_visible()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("alert")).to_contain_text("nothing in it is lost")
    third.goto("/login")
    for tab in (other, third):  # the second finds itself logged in already
        tab.get_by_label("Name").fill("ana")
        tab.get_by_label("Password").fill(PASSWORD)
        tab.get_by_role("button", name="Log in").click()
        expect(tab.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/jobs/*")
    assert services.repository.jobs(limit=10)[0].name == "of the first tab"


def test_another_password_and_the_end_of_a_session(page: Page, browser: Browser, address: str) -> None:
    elsewhere = browser.new_context(base_url=address)
    other = elsewhere.new_page()
    other.goto("/login")
    other.get_by_label("Name").fill("ana")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="ana").click()
    expect(page.get_by_role("row")).to_have_count(3)
    page.get_by_role("button", name="End all other sessions").click()
    expect(page.get_by_text("1 other session ended.")).to_be_visible()
    other.goto("/")
    expect(other.get_by_text("Your session has ended")).to_be_visible()
    elsewhere.close()
    page.get_by_label("Your password now").fill(PASSWORD)
    page.get_by_label("New password").fill("quite another set of words")
    page.get_by_label("The new one again").fill("quite another set of words")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_text("Your password is changed")).to_be_visible()
