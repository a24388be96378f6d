"""The review desk in a real browser, by its keys."""

import csv
import io
import zipfile

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect

from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.images.codec import decode_mask, encode_mask
from shared.jobs.grades import Grade
from shared.jobs.records import Item
from shared.services import Services
from tests import simulated_worker

pytestmark = pytest.mark.timeout(900)

IMAGES = 6


@pytest.fixture
def items(services: Services) -> list[Item]:
    """The results of a job, those trusted least first."""
    job = submit_synthetic(services, SyntheticSpec(IMAGES), name="to review", submitted_by="ana")
    simulated_worker.process(services, job)
    found = services.repository.items(job, limit=IMAGES)
    return sorted(found, key=lambda item: (item.trust, item.number))


def results(page: Page, job: str) -> dict[str, dict[str, str]]:
    answer = page.request.get(f"/jobs/{job}/results.zip")
    with zipfile.ZipFile(io.BytesIO(answer.body())) as archive:
        rows = csv.DictReader(io.StringIO(archive.read("results.csv").decode()))
        return {row["path"]: row for row in rows}


def test_a_pair_is_looked_at_in_three_ways(page: Page, services: Services, items: list[Item]) -> None:
    job = items[0].job_id
    other = submit_synthetic(services, SyntheticSpec(IMAGES), name="again", submitted_by="ana")
    simulated_worker.process(services, other)
    changed = services.repository.items(other, limit=2)[1]
    key = changed.mask_key or ""
    services.store.put(key, encode_mask(mask_of(services, key)[::-1]))
    page.goto(f"/compare?a={job}&b={other}")
    # The comparison is made while the page is open.
    expect(page.locator("#compare-progress")).to_contain_text(f"{IMAGES} of {IMAGES} pairs compared: mean Dice")
    pairs = page.locator(".pairs tbody a")
    expect(pairs).to_have_count(IMAGES)
    expect(pairs.first).to_have_text(changed.path)
    pairs.first.click()
    views = {name: page.locator(f".view-{name} img") for name in ("a", "b", "difference")}
    shown = {"1": ("a", "b"), "2": ("a", "b"), "3": ("difference",)}
    for mode, names in shown.items():
        page.keyboard.press(mode)
        for name, view in views.items():
            expect(view).to_be_visible(visible=name in names)
            if name in names:
                expect(view).to_have_js_property("naturalWidth", 512)
    page.keyboard.press("ArrowRight")
    expect(page.locator("h1")).not_to_have_text(changed.path)
    expect(views["difference"]).to_be_visible()  # the way to look stays


def mask_of(services: Services, key: str | None) -> NDArray[np.bool_]:
    return decode_mask(services.store.get(key or ""))


def paint(field: Locator, x: float, y: float) -> None:
    """Put the pen down once at a place of the field, in shares of its sides, and move it a hair."""
    box = field.bounding_box()
    assert box is not None
    mouse = field.page.mouse
    mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    mouse.down()
    mouse.up()


def test_a_job_is_graded_by_keys(page: Page, services: Services, items: list[Item]) -> None:
    job = items[0].job_id
    page.goto(f"/jobs/{job}")
    page.get_by_role("link", name="Review", exact=True).click()
    shown = page.locator(".sheet:visible h2")
    count = page.locator("#graded")

    def is_shown(item: Item) -> None:
        expect(shown).to_have_text(item.path)
        expect(page.locator(".sheet:visible img").last).to_have_js_property("naturalWidth", 512)

    is_shown(items[0])
    expect(page.locator(".sheet")).to_have_count(4)  # three were fetched ahead
    page.keyboard.press("a")
    is_shown(items[1])
    expect(count).to_contain_text(f"1 of {IMAGES} results graded: 1 accepted")

    # A note is written before the grade; its letters are no keys.
    page.keyboard.press("n")
    page.keyboard.type("a hole, near the rim")
    page.keyboard.press("Enter")
    page.keyboard.press("r")
    is_shown(items[2])
    expect(count).to_contain_text("1 rejected")

    # Two grades back, the second of which is given anew.
    page.keyboard.press("z")
    is_shown(items[1])
    expect(page.get_by_label("Note").first).to_have_value("")
    page.keyboard.press("n")
    page.keyboard.type("a hole")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    is_shown(items[2])
    # A disc more in one corner of the mask, one in another that is undone.
    before = mask_of(services, items[2].mask_key)
    page.keyboard.press("b")
    field = page.locator(".brush-over")
    expect(field).to_be_visible()
    page.keyboard.press("]")  # from 8 px to 10
    expect(page.locator("output")).to_have_text("radius 10 px")
    paint(field, 30 / 512, 30 / 512)
    paint(field, 480 / 512, 30 / 512)
    page.keyboard.press("z")
    page.keyboard.press("e")
    paint(field, 256 / 512, 256 / 512)
    page.keyboard.press("Enter")
    expect(page.locator(".sheet:visible .said")).to_contain_text("Mask corrected by ana")
    item = services.repository.item(items[2].id)
    assert item is not None
    assert item.review.corrected_by == "ana"
    after = mask_of(services, item.review.correction_key)
    assert (mask_of(services, item.mask_key) == before).all()
    row, column = np.indices(after.shape) + 0.5
    far = np.ones(after.shape, dtype=bool)
    for (x, y), value in {(30, 30): True, (256, 256): False}.items():
        distance = np.hypot(column - x, row - y)
        assert (after[distance < 8] == value).all()
        far &= distance > 13
    assert (after[far] == before[far]).all()

    page.keyboard.press("s")
    is_shown(items[3])

    # Keys that are switched off do nothing.
    page.keyboard.press("?")
    page.get_by_label("Keys are on").uncheck()
    page.keyboard.press("?")
    page.locator("h1").click()
    page.keyboard.press("a")
    page.keyboard.press("?")
    page.get_by_label("Keys are on").check()
    page.keyboard.press("?")
    is_shown(items[3])
    for item in items[4:]:
        page.keyboard.press("u")
        is_shown(item)
    page.keyboard.press("u")
    expect(page.locator("#nothing-left")).to_be_visible()
    expect(count).to_contain_text(f"{IMAGES - 1} of {IMAGES} results graded: 1 accepted, 1 rejected, 3 unsure")

    rows = results(page, job)
    said = [rows[item.path]["grade"] for item in items]
    assert said == [Grade.ACCEPTED, Grade.REJECTED, "", *[Grade.UNSURE] * 3]
    assert [bool(rows[item.path]["corrected_by"]) for item in items] == [False, False, True, False, False, False]
    assert (rows[items[1].path]["grade_note"], rows[items[1].path]["graded_by"]) == ("a hole", "ana")
