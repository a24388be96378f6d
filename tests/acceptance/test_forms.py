"""Forms in a real browser: what is sent, once, and what is not."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from shared.services import Services
from tests import simulated_worker
from tests.acceptance.conftest import log_in

pytestmark = pytest.mark.timeout(900)


def test_an_upload_with_a_bad_file_and_a_hostile_name(page: Page, services: Services, tmp_path: Path) -> None:
    good = simulated_worker.encode_grey(simulated_worker.synthesise(1, size=128).image)
    (tmp_path / "good.png").write_bytes(good)
    (tmp_path / "<img src=x onerror=document.title=1>.png").write_bytes(b"text")
    page.get_by_role("link", name="Upload images").click()
    page.get_by_label("Images…").set_input_files(sorted(tmp_path.glob("*.png")))
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/jobs/*")
    expect(page.get_by_text("2 images uploaded.")).to_be_visible()
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


def test_what_is_too_large_is_told_before_anything_is_sent(page: Page, services: Services, tmp_path: Path) -> None:
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(services.settings.max_source_bytes + 1)
    page.goto("/new/upload")
    page.get_by_label("Images…").set_input_files(tmp_path / "large.png")
    expect(page.locator("#upload-files")).to_contain_text("large.png larger than 256 MiB")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("alert")).to_contain_text("None of these can be sent")
    expect(page.get_by_role("button", name="Upload")).to_be_enabled()
    assert "POST" not in sent


def test_an_upload_goes_on_after_a_broken_connection_and_a_reload(
    page: Page, services: Services, tmp_path: Path
) -> None:
    folder = tmp_path / "plate"
    (folder / "day 1").mkdir(parents=True)
    (folder / "notes.txt").write_text("no image")
    names = ["a.png", "b.png", "day 1/a.png", "day 1/c.png"]
    for number, name in enumerate(names):
        data = simulated_worker.encode_grey(simulated_worker.synthesise(number, size=64).image)
        (folder / name).write_bytes(data)
    sent: list[str] = []

    def falter(route: Route) -> None:
        """Break the first connection, let one image through, then be silent."""
        sent.append(route.request.url)
        if len(sent) == 2:
            route.continue_()
        else:
            route.abort()

    page = page.context.new_page()  # whose console may tell of what is broken here
    page.goto("/new/upload")
    page.get_by_label("Name").fill("plate 7")
    page.get_by_label("A folder…").set_input_files(folder)
    expect(page.get_by_text("4 images chosen")).to_be_visible()
    expect(page.locator("#upload-left-out")).to_contain_text("1 file (plate/notes.txt)")
    page.route("**/new/upload/*/files", falter)
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#upload-says")).to_contain_text("The server does not answer.")
    expect(page.locator("#upload-says")).to_contain_text("1 image has arrived.")
    page.on("dialog", lambda dialog: dialog.accept())  # what is on its way would be lost
    page.reload()
    page.unroute("**/new/upload/*/files")
    expect(page.get_by_text("1 image of “plate 7” is there")).to_be_visible()
    again: list[str] = []
    page.on("request", lambda request: again.append(request.url) if request.url.endswith("/files") else None)
    page.get_by_label("A folder…").set_input_files(folder)
    expect(page.locator("#upload-says")).to_have_text("4 images there.")
    page.get_by_role("button", name="Finish: all images are there").click()
    page.wait_for_url("**/jobs/*")
    assert len(again) == 3
    items = services.repository.items(page.url.rpartition("/")[2], limit=9)
    assert sorted(item.path for item in items) == [f"plate/{name}" for name in names]


def test_an_image_is_dropped(page: Page, services: Services) -> None:
    image = simulated_worker.encode_grey(simulated_worker.synthesise(1, size=64).image)
    page.goto("/new/upload")
    transfer = page.evaluate_handle(
        """(bytes) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
            return transfer;
        }""",
        list(image),
    )
    page.locator("#drop-zone").dispatch_event("drop", {"dataTransfer": transfer})
    expect(page.get_by_text("1 image chosen")).to_be_visible()
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/jobs/*")
    [item] = services.repository.items(page.url.rpartition("/")[2], limit=2)
    assert item.path == "dropped.png"


def test_a_form_outlives_logins_in_another_tab(page: Page, services: Services, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(simulated_worker.encode_grey(simulated_worker.synthesise(1, size=128).image))
    page.goto("/new/upload")
    page.get_by_label("Name").fill("of the first tab")
    page.get_by_label("Images…").set_input_files(tmp_path / "a.png")
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
