"""Corrected masks by the HTTP API, and what becomes of them in the store."""

import io
import re

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from werkzeug.test import TestResponse

from shared.images.codec import decode_mask
from shared.jobs.records import Item
from shared.services import Services
from shared.store import keys
from shared.upkeep.audit import audit
from shared.upkeep.retention import Retention, RetentionRules
from tests.unit.admin.api.conftest import Api
from tests.unit.admin.conftest import Browser

SIDE = 512


def address(item: Item) -> str:
    return f"/jobs/{item.job_id}/items/{item.id}/correction"


def png(pixels: NDArray[np.uint8], mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels, mode).save(buffer, "PNG")
    return buffer.getvalue()


def send(api: Api, item: Item, data: bytes) -> TestResponse:
    return api.send("PUT", address(item), data={"mask": (io.BytesIO(data), "mask.png")})


def disc(values: tuple[int, int] = (0, 255)) -> NDArray[np.uint8]:
    row, column = np.indices((SIDE, SIDE)) - SIDE // 2
    return np.where(np.hypot(row, column) < 50, values[1], values[0]).astype(np.uint8)


@pytest.mark.parametrize("values", [(0, 255), (0, 1), (7, 9)])
def test_a_mask_of_two_values_is_kept_beside_the_models(
    services: Services,
    kim: Api,
    items: list[Item],
    values: tuple[int, int],
) -> None:
    answer = send(kim, items[0], png(disc(values)))
    assert (answer.status_code, answer.json["corrected_by"]) == (200, "kim")
    assert [step["kind"] for step in answer.json["history"]] == ["correction"]
    assert "correction" in kim.get(f"/items/{items[0].id}").json["files"]
    stored = kim.get(f"/items/{items[0].id}/files/correction").data
    assert (decode_mask(stored) == (disc() > 0)).all()
    assert kim.get(f"/items/{items[0].id}/files/mask").data == services.store.get(items[0].mask_key or "")


@pytest.mark.parametrize(("value", "inside"), [(0, False), (255, True)])
def test_a_mask_of_one_value_is_nothing_or_all(
    kim: Api,
    items: list[Item],
    value: int,
    inside: bool,
) -> None:
    assert send(kim, items[0], png(np.full((SIDE, SIDE), value, np.uint8))).status_code == 200
    assert (decode_mask(kim.get(f"/items/{items[0].id}/files/correction").data) == inside).all()


def smooth() -> bytes:
    return png(np.tile(np.arange(256, dtype=np.uint8).repeat(2), (SIDE, 1)))


def transparent() -> bytes:
    pixels = np.zeros((SIDE, SIDE, 4), np.uint8)
    pixels[..., 3] = disc()
    return png(pixels, "RGBA")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            png(np.zeros((SIDE, SIDE // 2), np.uint8)),
            "the mask is 256×512 px and its image 512×512 px: both have one size",
        ),
        (smooth(), "the mask has 256 values where it may have two: save it black and white, as PNG"),
        (transparent(), "save it without transparency"),
        (b"no image", "that cannot be read as a mask: the bytes are not those of an image"),
        (b"", "that cannot be read as a mask: the file has no bytes"),
        (bytes(2**18 + 1), "the file is larger than 262,144 bytes"),
    ],
)
def test_what_is_no_mask_of_the_image_is_refused_with_one_line(
    services: Services,
    kim: Api,
    items: list[Item],
    data: bytes,
    said: str,
) -> None:
    answer = send(kim, items[0], data)
    assert answer.status_code == 422
    assert said in answer.json["fields"][0]["reason"]
    assert list(services.store.list(f"{keys.job_prefix(items[0].job_id)}correction/")) == []
    assert kim.send("PUT", address(items[0]), data={"other": (io.BytesIO(data), "x")}).status_code == 422


def test_corrections_outlive_tidying_and_are_no_orphans(
    services: Services,
    kim: Api,
    items: list[Item],
) -> None:
    send(kim, items[0], png(disc()))
    send(kim, items[0], png(disc()[::-1] // 2))
    kim.send("DELETE", address(items[0]))
    folder = f"{keys.job_prefix(items[0].job_id)}correction/"
    stray = keys.correction(items[0].job_id, items[0].id, items[1].id)
    services.store.put(stray, b"x")
    kept = {info.key for info in services.store.list(folder)} - {stray}
    assert len(kept) == 2
    assert "correction" not in kim.get(f"/items/{items[0].id}").json["files"]

    found = audit(services.database, services.store, grace=-1)
    assert [finding.key for finding in found.findings] == [stray]
    retention = Retention(services.database, services.store, RetentionRules(tidy_after=-1))
    while retention.step():
        pass
    assert {info.key for info in services.store.list(folder)} == kept
    assert audit(services.database, services.store, grace=-1).is_clean


def test_the_page_takes_a_mask_by_its_form(browser: Browser, items: list[Item]) -> None:
    desk = f"/jobs/{items[0].job_id}/review"
    form = {"mask": (io.BytesIO(png(disc())), "mask.png")}
    answer = browser.submit(f"{desk}/{items[0].id}/correction", form, page=desk)
    page = browser.get(answer.location).text
    assert "Mask corrected by ana" in page
    assert re.search(rf"/items/{items[0].id}/corrected\.png", page)
    assert browser.get(f"/items/{items[0].id}/corrected.png?size=1024").status_code == 200
    form = {"mask": (io.BytesIO(smooth()), "mask.png")}
    answer = browser.submit(f"{desk}/{items[0].id}/correction", form, page=desk)
    assert "The mask has 256 values" in browser.get(answer.location).text
