"""A job's items as a gallery and as a table: filters, orders, distributions, previews."""

import io
import re

import numpy as np
import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import update

from admin.pages import items as items_page
from admin.pages import opened_items
from admin.pages.picture_cache import PictureCache
from admin.pages.pictures import PREVIEW_BYTES, webp
from admin.web.context import OPENED
from shared.db.tables.jobs import ItemRow
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.images.decoded import DecodeLimits
from shared.jobs import item_search
from shared.jobs.records import Item
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.conftest import Browser


@pytest.fixture
def job(services: Services) -> str:
    job_id = submit_synthetic(services, SyntheticSpec(5), name="job", submitted_by="ana")
    simulated_worker.process(services, job_id)
    with services.database.write() as connection:
        for number, trust in enumerate((0.9, 0.2, 0.7, 0.4, 0.6)):
            of_item = (ItemRow.job_id == job_id) & (ItemRow.number == number)
            connection.execute(update(ItemRow).where(of_item).values(trust=trust))
    return job_id


def numbers(page: str) -> list[int]:
    return [int(number) for number in re.findall(r"<bdi>synthetic-0*(\d+)\.png</bdi>", page)]


def test_items_are_filtered_and_sorted_as_cards_and_as_a_table(browser: Browser, services: Services, job: str) -> None:
    assert numbers(browser.get(f"/jobs/{job}?sort=trust").text) == [1, 3, 4, 2, 0]
    page = browser.get(f"/jobs/{job}?sort=-trust&trust_max=0.7&view=table&state=&dice_min=").text
    assert numbers(page) == [2, 4, 3, 1]
    assert 'aria-sort="descending"' in page
    assert re.search(r'id="item-count">4 images<', page)
    assert numbers(browser.get(f"/jobs/{job}?text=C-00000{2}").text) == [2]
    nothing = browser.get(f"/jobs/{job}?text=nowhere").text
    assert "No image of this job is like that." in nothing
    # What one came from stays in the way to the neighbours and back.
    item = services.repository.items(job, limit=9)[3]
    looked = browser.get(f"/items/{item.id}?sort=-trust&trust_max=0.7&view=table").text
    assert re.search(r'rel="prev" href="/items/[^"]+sort=-trust[^"]*view=table', looked)
    assert re.search(rf'href="/jobs/{job}\?[^"]*trust_max=0.7', looked)


def test_distributions_are_drawn_from_a_part_of_a_large_job(
    browser: Browser, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plots = browser.get(f"/jobs/{job}/distributions").text
    assert re.findall(r'data-plot="(trust|dice|quality)"', plots) == ["trust", "dice"]
    assert 'aria-label="Trust of 5 images"' in plots
    monkeypatch.setattr(item_search, "SAMPLED", 2)
    assert 'aria-label="Trust of 2 images"' in browser.get(f"/jobs/{job}/distributions").text


@pytest.fixture
def item(services: Services, job: str, monkeypatch: pytest.MonkeyPatch) -> Item:
    monkeypatch.setattr(items_page, "_kept", PictureCache(2**20))
    return services.repository.items(job, limit=1)[0]


def test_a_preview_is_made_once_and_kept_in_the_store(
    browser: Browser, services: Services, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = browser.get(f"/items/{item.id}/preview.webp")
    assert answer.content_type == "image/webp"
    assert max(Image.open(io.BytesIO(answer.data)).size) <= 256
    monkeypatch.setattr(items_page, "_kept", PictureCache(2**20))  # another process, after a restart
    monkeypatch.setattr(items_page, "draw_preview", lambda *_, **__: pytest.fail("it is there"))
    assert browser.get(f"/items/{item.id}/preview.webp").data == answer.data
    services.store.put(item.mask_key or "", b"no picture")
    assert browser.get(f"/items/{item.id}/preview.webp").data == answer.data


def test_a_large_image_has_a_preview_too(
    app: Flask, browser: Browser, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin.pages.pictures.SHOWN_PIXELS", 100)
    monkeypatch.setattr(opened_items, "HELD_PIXELS", 100)
    app.extensions[OPENED] = opened_items.OpenedItems(
        lambda *_: pytest.fail("it is too large"), DecodeLimits(1, 4096), 60
    )
    shown = Image.open(io.BytesIO(browser.get(f"/items/{item.id}/preview.webp").data))
    assert shown.format == "WEBP"
    assert max(shown.size) <= 256


def test_what_cannot_be_drawn_is_a_placeholder_that_nobody_keeps(
    browser: Browser, services: Services, item: Item
) -> None:
    services.store.put(item.mask_key or "", b"no picture")
    answer = browser.get(f"/items/{item.id}/preview.webp")
    assert (answer.content_type, answer.headers["Cache-Control"]) == ("image/png", "private, no-store")


def test_noise_is_made_coarser_until_it_is_small() -> None:
    noise = np.random.default_rng(1).integers(0, 2, (256, 256, 1), dtype=np.uint8) * np.uint8(255)
    assert len(webp(np.repeat(noise, 3, axis=2))) <= PREVIEW_BYTES
