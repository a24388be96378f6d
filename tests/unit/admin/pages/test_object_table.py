"""The table of an item's objects on its page."""

import csv
import io
import re
import zipfile

import numpy as np
import pytest
from sqlalchemy import update

from shared.db.tables.jobs import ItemRow
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.images.codec import encode_mask, encode_probability
from shared.jobs.records import Item
from shared.objects.table import OBJECT_COLUMNS
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.conftest import NOTHING, Browser

SIDES = (3, 9, 5)  # of squares, in the order of their numbers
MANY = 60


@pytest.fixture
def item(services: Services) -> Item:
    job = submit_synthetic(services, SyntheticSpec(1), name="job", submitted_by="ana")
    simulated_worker.process(services, job)
    item = services.repository.items(job, limit=1)[0]
    mask = np.zeros((512, 512), dtype=bool)
    for number, side in enumerate(SIDES):
        mask[20 * number : 20 * number + side, 30 : 30 + side] = True
    with_mask(services, item, mask)
    return item


def with_mask(services: Services, item: Item, mask: np.ndarray) -> None:
    services.store.put(item.mask_key or "", encode_mask(mask))
    services.store.put(item.probability_key or "", encode_probability(np.where(mask, 255, 0).astype(np.uint8)))


def cells(page: str) -> list[dict[str, str]]:
    """Return what each row says, by the label and the unit of its column."""
    heads = [
        " ".join(re.sub("<[^>]+>|[↓↑]", "", head).split()) for head in re.findall(r"<th scope.*?>(<a.*?)</th>", page)
    ]
    rows = re.findall(r"<tr><td.*?</tr>", page, re.DOTALL)
    return [dict(zip(heads, re.findall(r"<td.*?>(.*?)</td>", row), strict=True)) for row in rows]


def test_it_says_what_the_export_says(browser: Browser, services: Services, item: Item) -> None:
    with services.database.write() as connection:
        connection.execute(update(ItemRow).values(pixel_width_um=0.5, pixel_height_um=0.5))
    archive = zipfile.ZipFile(io.BytesIO(browser.get(f"/jobs/{item.job_id}/results.zip?format=objects-csv").data))
    exported = list(csv.DictReader(archive.read("objects.csv").decode().splitlines()))
    page = browser.get(f"/items/{item.id}/objects").text
    shown = cells(page)
    names = {name: f"{column.label} {column.unit}".strip() for name, column in OBJECT_COLUMNS.items()}
    assert [{name: row[names[name]] for name in names} for row in shown] == [
        {name: row[name] for name in names} for row in exported
    ]
    assert [row["Area µm²"] for row in shown] == ["2.2500", "20.2500", "6.2500"]
    assert "3 objects of the mask" in page
    assert "A pixel is 0.5 µm large" in page


def test_without_a_pixel_size_there_are_no_units(browser: Browser, item: Item) -> None:
    page = browser.get(f"/items/{item.id}/objects").text
    assert "µm²" not in page
    assert [row["Area px²"] for row in cells(page)] == ["9", "81", "25"]


def test_any_column_sorts_it_either_way(browser: Browser, services: Services, item: Item) -> None:
    def numbers(sort: str) -> list[str]:
        return [row["Object"] for row in cells(browser.get(f"/items/{item.id}/objects?sort={sort}").text)]

    assert numbers("object") == ["1", "2", "3"]
    assert numbers("-object") == ["3", "2", "1"]
    assert numbers("area_px") == ["1", "3", "2"]
    assert numbers("-area_px") == ["2", "3", "1"]
    for name in OBJECT_COLUMNS:  # also those that have no value
        assert sorted(numbers(f"-{name}")) == ["1", "2", "3"]
    page = browser.get(f"/items/{item.id}/objects?sort=-area_px").text
    assert page.count("aria-sort") == 1
    assert 'aria-sort="descending" title="number of pixels' in page
    assert "sort=area_px" in page  # the other way next
    refused = browser.get(f"/items/{item.id}/objects?sort=colour")
    assert refused.status_code == 400
    assert "There is no column &#39;colour&#39; of objects to sort by" in refused.text


def test_many_come_in_pages(browser: Browser, services: Services, item: Item) -> None:
    mask = np.zeros((512, 512), dtype=bool)
    mask[: 4 * MANY : 4, 5] = True
    with_mask(services, item, mask)
    first, second, beyond = (browser.get(f"/items/{item.id}/objects?page={page}").text for page in (1, 2, 99))
    assert [row["Object"] for row in cells(first) + cells(second)] == [str(n + 1) for n in range(MANY)]
    assert "60 objects" in first
    assert "page 1 of 2" in first
    assert 'rel="next"' in first
    assert 'rel="next"' not in second
    assert cells(beyond) == cells(second)


def test_an_empty_mask_has_a_sentence(browser: Browser, services: Services, item: Item) -> None:
    with_mask(services, item, np.zeros((512, 512), dtype=bool))
    assert "there is no object in it" in browser.get(f"/items/{item.id}/objects").text


def test_the_page_of_the_item_offers_it_and_measures_nothing(
    browser: Browser, services: Services, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("measured unasked")

    monkeypatch.setattr("admin.web.measured_objects.measured_rows", refuse)
    assert f'data-objects="/items/{item.id}/objects"' in browser.get(f"/items/{item.id}").text
    monkeypatch.setattr("admin.web.measured_objects.MAX_PIXELS", 9)
    page = browser.get(f"/items/{item.id}").text
    assert "data-objects" not in page
    assert "too large for a table of its objects" in page


def test_what_has_no_table_is_told(browser: Browser, services: Services, item: Item) -> None:
    assert browser.get(f"/items/{NOTHING}/objects").status_code == 404
    waiting = services.repository.items(
        submit_synthetic(services, SyntheticSpec(1), name="job", submitted_by="ana"), limit=1
    )[0]
    assert browser.get(f"/items/{waiting.id}/objects").status_code == 404
    services.store.put(item.mask_key or "", b"no PNG")
    damaged = browser.get(f"/items/{item.id}/objects")
    assert damaged.status_code == 400
    assert "is damaged" in damaged.text
    services.store.delete([item.mask_key or ""])
    assert browser.get(f"/items/{item.id}/objects").status_code == 404
