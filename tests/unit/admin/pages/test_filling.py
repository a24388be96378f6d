"""Uploads file by file into a job that stays open until its sender says that all are there."""

import io
from typing import Any

import numpy as np
import pytest
import tifffile
from werkzeug.test import TestResponse

from shared.flows.exports.job_results import JobResults
from shared.images.codec import encode_grey
from shared.jobs.records import Job, Priority
from shared.services import Services
from shared.synth import synthesise
from tests import simulated_worker
from tests.unit.admin.conftest import NOTHING, Browser

MODIFIED = 1_790_000_000_123  # as a browser tells it


@pytest.fixture
def png() -> bytes:
    return encode_grey(synthesise(1, size=64).image)


def begin(browser: Browser, **fields: str) -> str:
    """Begin a job; return the address of its page."""
    answer = browser.submit("/new/upload/begin", {"request_key": "k", "name": "scans", "unfamiliar": "flag"} | fields)
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["page"])


def send(browser: Browser, address: str, path: str, data: bytes, **fields: Any) -> TestResponse:
    page, _, query = address.partition("?")
    body = {"path": path, "modified": str(MODIFIED), "image": (io.BytesIO(data), "x.png")} | fields
    return browser.submit(f"{page}/files?{query}", body)


def known(browser: Browser, address: str, *files: tuple[str, int, int]) -> list[str]:
    names, sizes, times = zip(*files, strict=True)
    answer = browser.submit(f"{address}/known", {"name": list(names), "size": list(sizes), "modified": list(times)})
    return list(answer.get_json()["arrived"])


def job_of(services: Services, address: str) -> Job:
    return services.repository.job(address.partition("?")[0].rpartition("/")[2])


def test_a_folder_arrives_file_by_file_and_ends_as_one_job(browser: Browser, services: Services, png: bytes) -> None:
    address = begin(browser, files="2", scale="0.5", smooth="2", threshold="0.25")
    job = job_of(services, address)
    assert (job.name, job.submitted_by, job.scale, job.postprocessing) == ("scans", "ana (web)", 0.5, "smooth=2")
    assert (job.priority, job.sealed_at, job.threshold) == (Priority.HIGH, None, 0.25)
    assert send(browser, address, "day 1/a.png", png).get_json() == {
        "added": 1, "failed": 0, "known": 0, "replaced": 0
    }  # fmt: skip
    assert send(browser, address, "day 1/b.png", b"text").get_json()["added"] == 1
    assert "Go on with the upload" in browser.get(f"/jobs/{job.id}").text
    answer = browser.submit(f"{address}/seal")
    assert answer.location == f"/jobs/{job.id}"
    simulated_worker.process(services, job.id)
    page = browser.get(answer.location).text
    assert "2 images uploaded." in page
    assert "Go on with the upload" not in page
    items = list(JobResults(services.repository, services.store, job_of(services, address)).items())
    assert [(item.path, item.error_code) for item in items] == [("day 1/a.png", None), ("day 1/b.png", "not_an_image")]


def test_the_same_form_sent_twice_begins_one_job(browser: Browser, services: Services) -> None:
    assert begin(browser) == begin(browser)
    assert begin(browser) != begin(browser, request_key="another")
    assert len(services.repository.jobs(limit=9)) == 2


def test_what_has_arrived_is_known_after_a_reload(browser: Browser, png: bytes) -> None:
    address = begin(browser)
    send(browser, address, "a.png", png)
    assert "1 image of" in browser.get(address).text
    there = ("a.png", len(png), MODIFIED)
    others = ("a.png", len(png) + 1, MODIFIED), ("a.png", len(png), MODIFIED + 1), ("b.png", len(png), MODIFIED)
    assert known(browser, address, there, others[2]) == ["a.png"]
    for other in others:
        assert known(browser, address, other) == []


def test_what_comes_again_is_there_once(browser: Browser, services: Services, png: bytes) -> None:
    address = begin(browser)
    send(browser, address, "a.png", png)
    assert send(browser, address, "a.png", png).get_json()["known"] == 1
    assert job_of(services, address).counts.total == 1


def test_another_image_of_a_name_is_taken_where_that_was_asked_for(
    browser: Browser, services: Services, png: bytes
) -> None:
    address = begin(browser)
    send(browser, address, "a.png", png)
    other = encode_grey(synthesise(2, size=64).image)
    refused = send(browser, address, "a.png", other)
    assert refused.status_code == 409
    assert "The job has another image of this name. Tick" in refused.text
    assert send(browser, address, "a.png", other, replace="1").get_json()["replaced"] == 1
    [item] = services.repository.items(job_of(services, address).id, limit=2)
    assert services.store.get(str(item.source_key)) == other


def test_the_pages_of_a_stack_are_asked_for_in_the_address(browser: Browser, services: Services) -> None:
    stack = io.BytesIO()
    tifffile.imwrite(stack, np.zeros((3, 64, 64), np.uint8) + np.arange(64, dtype=np.uint8), photometric="minisblack")
    address = begin(browser, pages="2-3")
    assert address.endswith("?pages=2-3")
    assert browser.get(address).status_code == 200
    assert send(browser, address, "s.tif", stack.getvalue()).get_json()["added"] == 2
    items = services.repository.items(job_of(services, address).id, limit=9)
    assert [item.path for item in items] == ["s.tif#0002", "s.tif#0003"]


def test_a_wrong_setting_is_named_beside_its_field_and_begins_nothing(browser: Browser, services: Services) -> None:
    for field, value, words in (("scale", "9", "Scale is 9"), ("model", "0" * 64, "Not a valid choice")):
        answer = browser.submit("/new/upload/begin", {"unfamiliar": "flag", field: value})
        assert answer.status_code == 400
        assert f'id="{field}-error">{words}' in answer.text
    assert services.repository.jobs(limit=1) == []


def test_a_complete_job_takes_no_more(browser: Browser, png: bytes) -> None:
    address = begin(browser)
    send(browser, address, "a.png", png)
    browser.submit(f"{address}/seal")
    for answer in (send(browser, address, "b.png", png), browser.submit(f"{address}/known")):
        assert answer.status_code == 410
        assert "The job takes no more images" in answer.text
    assert browser.get(address).location == address.replace("/new/upload/", "/jobs/")
    assert browser.submit(f"{address}/seal").status_code == 302  # sent again after a lost answer


def test_a_job_without_an_image_is_not_finished(browser: Browser, services: Services) -> None:
    address = begin(browser)
    answer = browser.submit(f"{address}/seal")
    assert answer.status_code == 400
    assert "No image has arrived yet" in answer.text
    assert job_of(services, address).sealed_at is None


def test_of_no_job_nothing_is_shown_or_taken(browser: Browser, png: bytes) -> None:
    address = f"/new/upload/{NOTHING}"
    answers = (
        browser.get(address), send(browser, address, "a.png", png), browser.submit(f"{address}/known"),
        browser.submit(f"{address}/seal"),
    )  # fmt: skip
    assert [answer.status_code for answer in answers] == [404] * 4


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("files", {"path": "a.png"}),
        ("files?pages=0", {"image": (io.BytesIO(b"x"), "a.png")}),
        ("known", {"name": ["a"], "size": ["1", "2"], "modified": ["3"]}),
        ("known", {"name": ["a"] * 151, "size": ["1"] * 151, "modified": ["1"] * 151}),
        ("known", {"name": ["a"], "size": ["many"], "modified": ["3"]}),
    ],
)
def test_what_the_script_would_never_send_is_refused(browser: Browser, part: str, fields: dict[str, Any]) -> None:
    assert browser.submit(f"{begin(browser)}/{part}", fields).status_code == 400
