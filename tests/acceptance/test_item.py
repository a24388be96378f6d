"""An item in a real browser, looked at by keys."""

import re

import pytest
from playwright.sync_api import Page, expect

from shared.services import Services
from tests import simulated_worker

pytestmark = pytest.mark.timeout(900)


def test_an_item_is_looked_at_with_keys_and_the_next_one_follows(page: Page, services: Services) -> None:
    page.goto("/new/synthetic")
    page.get_by_label("Images").fill("3")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/jobs/*")
    job_id = page.url.rpartition("/")[2]
    simulated_worker.process(services, job_id)
    first, second, third = services.repository.items(job_id, limit=3)
    worst_first = sorted((first, second, third), key=lambda item: item.dice or 0)
    with page.expect_response(re.compile(f"/items/{worst_first[1].id}/region")):  # the next one's, ahead of its turn
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
    threshold = page.get_by_label("Threshold of the probability")
    threshold.fill("250")
    expect(says).to_contain_text("p ≥ 0.980")
    emptied = drawn_anew(page, pictures[0])
    threshold.fill("160")
    shown = drawn_anew(page, emptied)
    page.keyboard.press("f")  # no key of ours
    for key in ("m", "t", "h", "x", "+", "1", "v"):
        page.keyboard.press(key)
        shown = drawn_anew(page, shown)
        pictures.append(shown)
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
        expect(page).to_have_url(re.compile(rf"/items/{item.id}\?sort=dice$"))
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

    # The table of objects is there once it is asked for, and sorted in its place.
    table = page.locator("#objects-table")
    expect(table).to_have_count(0)
    page.locator("#objects summary").click()
    expect(table.get_by_role("columnheader", name="Object")).to_have_attribute("aria-sort", "ascending")
    table.get_by_role("link", name="Perimeter").click()
    expect(table.get_by_role("columnheader", name="Perimeter")).to_have_attribute("aria-sort", "descending")
    expect(table.get_by_role("link", name="Perimeter")).to_be_focused()
    expect(page).to_have_url(re.compile(f"/items/{worst_first[2].id}"))

    # The switch is one for all pages.
    page.goto(f"/jobs/{job_id}/review")
    page.locator("#keys summary").click()
    expect(page.get_by_label("Keys are on")).not_to_be_checked()


def drawn(page: Page) -> str:
    return str(page.evaluate("document.querySelector('canvas[data-shows=result]').toDataURL()"))


def drawn_anew(page: Page, before: str) -> str:
    """What is drawn once it is something else."""
    while (now := drawn(page)) == before:
        page.wait_for_timeout(20)
    return now
