"""The results of a job as a zip, and how its page offers them."""

import csv
import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image

from admin.web.delivery import download
from shared.errors import Retryable
from shared.flows.exports.registry import EXPORTS
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.images.codec import decode_mask
from shared.jobs.grades import Grade
from shared.jobs.reviews import Reviews
from shared.services import Services
from shared.upkeep.retention import Retention, RetentionRules
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
    monkeypatch.setattr(download, "_MADE_AHEAD_BYTES", 1)
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


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zips are too long to be made before they are sent."""
    monkeypatch.setattr(download, "_MADE_AHEAD_BYTES", 1)


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_of_an_ended_job_is_made_the_same_again(browser: Browser, services: Services, name: str) -> None:
    job = synthetic(services, 2)
    address = f"/jobs/{job}/results.zip?format={name}"
    first = browser.get(address)
    assert first.status_code == 200
    assert first.headers["Accept-Ranges"] == "bytes"
    assert int(first.headers["Content-Length"]) == len(first.data)
    rest = browser.get(address, headers={"Range": "bytes=9-", "If-Range": first.headers["ETag"]})
    assert (rest.status_code, rest.headers["ETag"]) == (206, first.headers["ETag"])
    assert rest.headers["Content-Range"] == f"bytes 9-{len(first.data) - 1}/{len(first.data)}"
    assert first.data[:9] + rest.data == first.data


def test_a_long_download_that_broke_goes_on(browser: Browser, services: Services, long: None) -> None:
    job = synthetic(services, 6)
    address = f"/jobs/{job}/results.zip"
    broken = browser.client.get(address)
    assert "Content-Length" not in broken.headers
    got = next(broken.iter_encoded())
    broken.close()
    rest = browser.get(address, headers={"Range": f"bytes={len(got)}-", "If-Range": broken.headers["ETag"]})
    assert rest.status_code == 206
    with zipfile.ZipFile(io.BytesIO(got + rest.data)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 6 * 4 + 2
    whole = browser.get(address)
    assert whole.data == got + rest.data
    assert int(whole.headers["Content-Length"]) == len(whole.data)  # known by now


def test_parts_as_programs_ask_for_them(browser: Browser, services: Services, long: None) -> None:
    address = f"/jobs/{synthetic(services, 1)}/results.zip"
    whole = browser.get(address)
    length = len(whole.data)

    def part(of: str) -> tuple[int, bytes, str | None]:
        answer = browser.get(address, headers={"Range": of})
        return answer.status_code, answer.data, answer.headers.get("Content-Range")

    assert part("bytes=0-99") == (206, whole.data[:100], f"bytes 0-99/{length}")
    assert part("bytes=-22") == (206, whole.data[-22:], f"bytes {length - 22}-{length - 1}/{length}")
    assert part(f"bytes={length}-")[::2] == (416, f"bytes */{length}")
    known = browser.get(address, headers={"If-None-Match": whole.headers["ETag"]})
    assert (known.status_code, known.data) == (304, b"")


@pytest.mark.usefixtures("long")
def test_results_that_changed_are_sent_from_their_beginning(browser: Browser, services: Services) -> None:
    job = synthetic(services, 2)
    address = f"/jobs/{job}/results.zip"
    before = browser.get(address)
    item = services.repository.items(job, limit=1)[0]
    versions = {before.headers["ETag"], browser.get(f"{address}?state=failed").headers["ETag"]}
    assert len(versions) == 2
    reviews = Reviews(services.database)
    reviews.grade(job, item.id, Grade.REJECTED, note=None, by="ana")
    graded = browser.get(address, headers={"Range": "bytes=100-", "If-Range": before.headers["ETag"]})
    assert (graded.status_code, graded.headers.get("Content-Range")) == (200, None)
    assert zipfile.ZipFile(io.BytesIO(graded.data)).testzip() is None
    versions.add(graded.headers["ETag"])
    reviews.undo(job, by="ana")
    versions.add(browser.get(address).headers["ETag"])
    Retention(services.database, services.store, RetentionRules(1e9, remove_sources_after=0.0)).step()
    versions.add(browser.get(address).headers["ETag"])
    assert len(versions) == 5


def test_a_zip_that_is_no_longer_what_it_was_breaks_off(browser: Browser, services: Services, long: None) -> None:
    job = synthetic(services, 2)
    address = f"/jobs/{job}/results.zip"
    browser.get(address)
    item = services.repository.items(job, limit=1)[0]
    services.store.delete([item.probability_key or ""])
    with pytest.raises(Retryable, match="changed while they were sent"):
        browser.get(address)
    assert zipfile.ZipFile(io.BytesIO(browser.get(address).data)).testzip() is None  # the old length binds nobody


def test_of_a_job_that_runs_no_part_can_be_asked_for(browser: Browser, services: Services) -> None:
    job = submit_synthetic(services, SyntheticSpec(2), name="x", submitted_by="ana")
    answer = browser.get(f"/jobs/{job}/results.zip", headers={"Range": "bytes=5-"})
    assert (answer.status_code, answer.headers["Accept-Ranges"]) == (200, "none")
    assert "ETag" not in answer.headers
