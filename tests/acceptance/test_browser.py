"""Jobs in a real browser: start one by its form, watch it, take the results home; and what all pages have."""

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from admin.domain import sessions
from admin.pages.pictures import THUMBNAIL
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.state import JobStatus
from shared.services import Services
from tests import simulated_worker
from tests.acceptance.conftest import log_in, new_context

pytestmark = pytest.mark.timeout(900)

IMAGES = 6


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
        assert thumbnail.evaluate("image => image.naturalWidth") in (THUMBNAIL, 192)  # noise is kept smaller

    with page.expect_download() as download:
        page.get_by_text("Download as…").click()
        page.get_by_role("button", name="Download", exact=True).click()
    download.value.save_as(tmp_path / "results.zip")
    with zipfile.ZipFile(tmp_path / "results.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 4 * IMAGES + 2  # results.csv and manifest.json


def test_a_page_that_follows_keeps_what_is_its_readers(browser: Browser, address: str, services: Services) -> None:
    """Focus, what is typed and what is open outlive news, an outage and the end of the session."""
    context = new_context(browser, address)
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
