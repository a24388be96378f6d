"""A job's items as one list that goes on, and ranges brushed on distributions, in a real browser."""

from itertools import islice

import pytest
from playwright.sync_api import Locator, Page, Position, expect

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


def place_in(plot: Locator, share: float) -> Position:
    """The point at half the height and this share of the width."""
    box = plot.bounding_box()
    assert box is not None
    return {"x": share * box["width"], "y": box["height"] / 2}


def test_a_list_goes_on_and_a_range_is_brushed(page: Page, job: str) -> None:
    page.set_viewport_size({"width": 390, "height": 700})
    page.goto(f"/jobs/{job}")
    cards = page.locator(".card")
    expect(cards).to_have_count(ITEMS_A_PAGE)
    expect(page.locator("#items nav.pages a[rel=next]")).to_be_hidden()
    end, chunks = page.locator("#more-says"), page.locator(".chunk")
    while end.text_content() != "These are all.":  # what is next may come before one gets there
        end.scroll_into_view_if_needed()
        page.wait_for_timeout(20)
    expect(chunks).to_have_count(2)
    for number, count in enumerate((ITEMS_A_PAGE, IMAGES - 2 * ITEMS_A_PAGE)):
        expect(chunks.nth(number).locator(".card")).to_have_count(count)
    expect(cards).to_have_count(IMAGES)
    names = page.locator(".card bdi").all_text_contents()
    assert len(set(names)) == IMAGES  # each once
    expect(page.locator(".card-succeeded img").first).not_to_have_js_property("naturalWidth", 0)

    page.get_by_text("Marks, causes, ranges").click()
    plot = page.locator("svg.distribution[data-plot=foreground]")
    # Where it is at that moment: the part of the page above it follows the job.
    plot.hover(position=place_in(plot, 1 / 4))
    page.mouse.down()
    for share in (1 / 2, 3 / 4):
        plot.hover(position=place_in(plot, share))
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
