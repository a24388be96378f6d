"""A job's items as one list that goes on, and ranges brushed on distributions, in a real browser."""

from itertools import islice

import pytest
from playwright.sync_api import Page, expect

from admin.domain.queries import ITEMS_A_PAGE
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.services import Services
from tests import simulated_worker

pytestmark = pytest.mark.timeout(900)

IMAGES = 2 * ITEMS_A_PAGE + 5
FINISHED = 4


@pytest.fixture
def job(services: Services) -> str:
    """A job at work: a few of its images are finished."""
    job = submit_synthetic(services, SyntheticSpec(IMAGES), name="long", submitted_by="ana")
    assert len(list(islice(simulated_worker.process_one_by_one(services, job), FINISHED))) == FINISHED
    return job


def test_a_list_goes_on_and_a_range_is_brushed(page: Page, job: str) -> None:
    page.set_viewport_size({"width": 390, "height": 700})
    page.goto(f"/jobs/{job}")
    cards = page.locator(".card")
    expect(cards).to_have_count(ITEMS_A_PAGE)
    expect(page.locator("#items nav.pages a[rel=next]")).to_be_hidden()
    for count in (2 * ITEMS_A_PAGE, IMAGES):
        page.locator("#more-says").scroll_into_view_if_needed()
        expect(cards).to_have_count(count)
    expect(page.locator("#more-says")).to_have_text("These are all.")
    names = page.locator(".card bdi").all_text_contents()
    assert len(set(names)) == IMAGES  # each once
    expect(page.locator(".card-succeeded img").first).not_to_have_js_property("naturalWidth", 0)

    page.get_by_text("Marks, causes, ranges").click()
    plot = page.locator("svg.distribution[data-plot=foreground]")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 4, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 3 / 4, middle, steps=4)
    page.mouse.up()
    # The filter is sent at once; the address has the range alone, and no field that nobody filled in.
    page.wait_for_url("**/jobs/*foreground_min=*")
    words = dict(word.split("=") for word in page.url.partition("?")[2].split("&"))
    assert set(words) == {"foreground_min", "foreground_max"}
    assert (float(words["foreground_min"]), float(words["foreground_max"])) == pytest.approx((0.25, 0.75), abs=0.02)
    expect(page.locator("#item-count")).to_contain_text("image")
    expect(page.locator("#range-foreground input").first).to_have_value(words["foreground_min"])
    # What was brushed is drawn, and a click on it clears the range.
    expect(plot.locator(".brushed")).not_to_have_attribute("width", "0")
    plot.click()
    page.wait_for_url(lambda url: "foreground" not in url)
    expect(cards).to_have_count(ITEMS_A_PAGE)
