"""The results of a job as a zip, and how its page offers them."""

import csv
import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.flows.exports.registry import EXPORTS
from shared.images.codec import decode_mask
from shared.services import Services
from tests.unit.admin.conftest import Browser
from tests.unit.admin.made_jobs import mixed, synthetic


def test_the_zip_of_a_synthetic_job(browser: Browser, services: Services) -> None:
    job = synthetic(services, 4)
    answer = browser.get(f"/jobs/{job}/results.zip")
    assert answer.content_type == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert archive.testzip() is None
    names = {
        f"{folder}/synthetic-{n:06d}.png"
        for folder in ("masks", "probabilities", "sources", "truths")
        for n in range(4)
    }
    assert set(archive.namelist()) == names | {"results.csv", "manifest.json"}
    item = services.repository.items(job, limit=1)[0]
    for name, key in (("probabilities", item.probability_key), ("sources", item.source_key)):
        assert archive.read(f"{name}/synthetic-000000.png") == services.store.get(key or "")
    for name, key in (("masks", item.mask_key), ("truths", item.truth_key)):
        pixels = np.asarray(Image.open(io.BytesIO(archive.read(f"{name}/synthetic-000000.png"))))
        stored = decode_mask(services.store.get(key or ""))
        np.testing.assert_array_equal(pixels, stored.astype(np.uint8) * 255, strict=True)
    rows = list(csv.DictReader(io.StringIO(archive.read("results.csv").decode(), newline="")))
    assert [row["path"] for row in rows] == [f"synthetic-{n:06d}.png" for n in range(4)]
    assert all(row["state"] == "succeeded" and float(row["dice"]) > 0.5 for row in rows)


def test_the_zip_of_images_has_a_row_for_each_and_files_for_what_succeeded(
    browser: Browser, services: Services
) -> None:
    archive = zipfile.ZipFile(io.BytesIO(browser.get(f"/jobs/{mixed(services)}/results.zip").data))
    assert set(archive.namelist()) == {"masks/a/good.png", "probabilities/a/good.png", "results.csv", "manifest.json"}
    rows = list(csv.DictReader(io.StringIO(archive.read("results.csv").decode(), newline="")))
    assert [row["error_code"] for row in rows] == ["", "not_an_image", "empty_file", "empty_file"]


def test_the_zip_names_what_the_store_has_lost(browser: Browser, services: Services) -> None:
    job = synthetic(services, 2)
    item = services.repository.items(job, limit=1)[0]
    services.store.delete([item.mask_key or ""])
    archive = zipfile.ZipFile(io.BytesIO(browser.get(f"/jobs/{job}/results.zip").data))
    [missing] = json.loads(archive.read("manifest.json"))["missing"]
    assert (missing["path"], missing["file"]) == ("synthetic-000000.png", "masks/synthetic-000000.png")
    assert "masks/synthetic-000001.png" in archive.namelist()


def test_a_damaged_mask_counts_as_lost(browser: Browser, services: Services) -> None:
    job = synthetic(services, 1)
    item = services.repository.items(job, limit=1)[0]
    services.store.put(item.mask_key or "", b"no png")
    archive = zipfile.ZipFile(io.BytesIO(browser.get(f"/jobs/{job}/results.zip").data))
    [missing] = json.loads(archive.read("manifest.json"))["missing"]
    assert (missing["path"], missing["file"]) == ("synthetic-000000.png", "masks/synthetic-000000.png")


def test_a_format_that_there_is_not_is_one_line(browser: Browser, services: Services) -> None:
    job = synthetic(services, 1)
    assert browser.get(f"/jobs/{job}/results.zip?format=results").status_code == 200
    answer = browser.get(f"/jobs/{job}/results.zip?format=tiff")
    assert answer.status_code == 400
    assert f"There is no export &#39;tiff&#39;: choose one of {', '.join(EXPORTS)}." in answer.text


def test_one_format_is_one_button(browser: Browser, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admin.pages.jobs.EXPORTS", {"results": EXPORTS["results"]})
    job = synthetic(services, 1)
    page = browser.get(f"/jobs/{job}").text
    assert page.count("Download results") == 1
    assert f'<a class="button" href="/jobs/{job}/results.zip" download>Download results</a>' in page


def test_what_is_ticked_is_in_the_zip_alone(browser: Browser, services: Services) -> None:
    job = synthetic(services, 4)
    page = browser.get(f"/jobs/{job}?state=succeeded").text
    assert page.count('name="only"') == 4
    assert 'name="only" value="3" form="export"' in page
    archive = zipfile.ZipFile(
        io.BytesIO(browser.get(f"/jobs/{job}/results.zip?format=masks&only=1&only=3&state=succeeded").data)
    )
    assert set(archive.namelist()) == {
        "masks/synthetic-000001.png", "masks/synthetic-000003.png", "manifest.json",
    }  # fmt: skip
    by_number = browser.get(f"/jobs/{job}/results.zip?format=masks&number=0").data
    assert zipfile.ZipFile(io.BytesIO(by_number)).namelist() == ["masks/synthetic-000000.png", "manifest.json"]
    assert browser.get(f"/jobs/{job}/results.zip?only=x").status_code == 400


def test_the_zip_is_sent_while_it_is_made(
    browser: Browser, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = synthetic(services, 10)
    fetched, store = [], type(services.store)
    get = store.get

    def counted(self: Any, key: str) -> bytes:
        fetched.append(key)
        return get(self, key)

    monkeypatch.setattr(store, "get", counted)
    answer = browser.client.get(f"/jobs/{job}/results.zip")
    next(answer.iter_encoded())
    assert 0 < len(fetched) < 4 * 10
    answer.close()


def test_the_job_says_how_to_go_on_with_a_download(browser: Browser, services: Services) -> None:
    job = synthetic(services, 1)
    assert f"<code>producer download {job} DIR</code>" in browser.get(f"/jobs/{job}").text
