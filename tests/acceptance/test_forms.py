"""Forms in a real browser: what is sent, once, and what is not."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from shared.services import Services
from tests import simulated_worker
from tests.acceptance.conftest import log_in

pytestmark = pytest.mark.timeout(900)


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
        log_in(tab)
        expect(tab.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/jobs/*")
    assert services.repository.jobs(limit=10)[0].name == "of the first tab"
