import csv
import io
import json
import re
import zipfile

import numpy as np
import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import select, update

from admin.domain import accounts, queries, sessions
from admin.domain.roles import Role
from shared.db.tables import ItemRow, ShardRow, new_id
from shared.flows.exports.registry import EXPORTS
from shared.flows.submission import Source, submit_images
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.images.codec import decode_mask
from shared.jobs.item_search import ItemSearch, Place
from shared.jobs.records import Performance, Unfamiliar
from shared.jobs.state import JobStatus
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.conftest import Browser


def synthetic(services: Services, count: int = 3, name: str = "job", done: bool = True) -> str:
    job = submit_synthetic(
        services, SyntheticSpec(count, severity_to=0.5, severity_from=0), name=name, submitted_by="ana"
    )
    if done:
        simulated_worker.process(services, job)
    return job


def test_without_jobs_the_page_says_how_to_submit(browser: Browser) -> None:
    page = browser.get("/jobs").text
    assert "producer submit" in page
    assert "/new/upload" in page
    assert "No worker has been seen" in page


def test_the_list_shows_jobs_and_workers(browser: Browser, services: Services) -> None:
    synthetic(services, name="first")
    synthetic(services, name="second", done=False)
    services.workers.report(new_id(), name="studio:7", device="NVIDIA H200", model="ab" * 32, images=1234)
    page = browser.get("/jobs").text
    assert page.index("second") < page.index("first")
    assert "3 of 3" in page
    assert "0 of 3" in page
    assert "NVIDIA H200" in page
    assert "1,234" in page
    assert "of the bare model" not in page  # whose speed it has not said


def test_the_list_shows_how_fast_workers_run_and_what_limits_them(browser: Browser, services: Services) -> None:
    for name, performance in {
        "studio:7": Performance(60.0, 80.0, "infer"),
        "studio:8": Performance(30.0, 40.0, "encode"),
        "new:1": Performance(),
    }.items():
        services.workers.report(new_id(), name=name, device="cpu", model="0" * 64, images=1, performance=performance)
    page = browser.get("/jobs/live").text
    assert "<strong>90.0/s</strong> from 3 workers, <strong>75.0 %</strong>" in page
    assert re.findall(r'data-label="Limited by">(.+?)<', page) == ["infer", "encode", "–"]
    assert re.findall(r'data-label="Rate">(\S+?)</td>', page) == ["60.0/s", "30.0/s", "–"]
    assert re.findall(r'data-label="Of the bare model".*?>(.+?)<', page) == ["75.0 %", "75.0 %", "–"]


def test_the_list_is_polled_each_second_while_something_runs(browser: Browser, services: Services) -> None:
    synthetic(services)
    assert 'data-live-every="5"' in browser.get("/jobs").text
    synthetic(services, done=False)
    fragment = browser.get("/jobs/live").text
    assert 'data-live-every="1"' in fragment
    assert "<html" not in fragment


def test_pages_of_jobs_lead_there_and_back(
    browser: Browser, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "JOBS_A_PAGE", 3)
    newest_first = [synthetic(services, 1, name=f"n{number}", done=False) for number in range(8)][::-1]
    seen, cursor, pages = [], None, []
    while True:
        page = queries.jobs_page(services.repository, cursor)
        seen += [job.id for job in page.jobs]
        pages.append((cursor, page))
        if page.older is None:
            break
        cursor = page.older
    assert seen == newest_first
    assert [page.newer for _, page in pages] == [None, "", pages[1][0]]
    text = browser.get(f"/jobs?before={pages[1][0]}").text
    assert "Newer" in text
    assert "Older" in text
    assert "n4" in text
    assert ">n7<" not in text


def test_a_filter_is_an_address_that_can_be_shared(browser: Browser, services: Services) -> None:
    synthetic(services, 1, name="liver", done=False)
    synthetic(services, 1, name="kidney")
    page = browser.get("/jobs?q=liv&state=open&owner=ana&sort=name").text
    assert ">liver<" in page
    assert ">kidney<" not in page
    assert "1 job: “liv”, open, of ana" in page
    assert 'data-live="/jobs/live?q=liv&amp;state=open&amp;owner=ana&amp;sort=name"' in page
    assert ">liver<" in browser.get("/jobs?mine=1").text
    assert "No job fits." in browser.get("/jobs?q=heart").text
    assert "2 jobs" in browser.get("/jobs?q=&state=").text


@pytest.mark.parametrize("address", ["/jobs", "/jobs/live"])
def test_a_wrong_filter_keeps_what_was_typed_and_says_what_is_wrong(browser: Browser, address: str) -> None:
    answer = browser.get(f"{address}?state=done&since=yesterday&size=3&q=%3Cb%3E")
    assert answer.status_code == 400
    assert "The filter names something that there is not" in answer.text
    if address == "/jobs":
        assert answer.text.count('class="wrong"') == 3
        assert 'value="yesterday"' in answer.text
        assert 'value="&lt;b&gt;"' in answer.text
        assert "Choose one of open, ended, queued" in answer.text


@pytest.mark.parametrize("name", ["_external", "_scheme", "_method", "endpoint", "values", "f-q"])
def test_no_name_of_a_filter_is_an_argument_of_something_else(browser: Browser, name: str) -> None:
    for address in ("/jobs", "/jobs/live", "/events"):
        assert browser.get(f"{address}?{name}=x").status_code == 400


def test_who_did_what_is_on_the_job_and_on_a_page_of_its_own(browser: Browser, services: Services) -> None:
    job = synthetic(services, 1, done=False)
    browser.submit(f"/jobs/{job}/cancel")
    for page in (browser.get(f"/jobs/{job}").text, browser.get("/events?who=ana&what=cancelled").text):
        assert re.findall(r'<bdi>ana</bdi></th>\s*<td role="cell">cancelled', page)
    assert "Nothing was done that fits." in browser.get("/events?who=bea").text
    answer = browser.get("/events?what=made&job=7")
    assert answer.status_code == 400
    assert answer.text.count('class="wrong"') == 2


def test_pages_of_items_lead_there_and_back(
    browser: Browser, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "ITEMS_A_PAGE", 3)
    job = synthetic(services, 8, done=False)
    after, numbers, previous = None, [], []
    search = ItemSearch(services.database, job)
    while True:
        page = queries.items_page(search, after)
        numbers += [item.number for item in page.items]
        previous.append(page.previous)
        if page.next is None:
            break
        after = page.next
    assert numbers == list(range(8))
    assert previous == [None, "start", Place(2, 2)]
    text = browser.get(f"/jobs/{job}?after=2").text
    assert "synthetic-000003" in text
    assert "synthetic-000002" not in text
    assert "Previous" in text
    assert "Next" in text


def test_what_workers_gave_back_is_said_until_it_goes_on(browser: Browser, services: Services) -> None:
    job = synthetic(services, 3, done=False)
    assert "gave" not in browser.get(f"/jobs/{job}").text
    assert queries.released(services.database, job) is None
    with services.database.read() as connection:
        shard = connection.execute(select(ShardRow.id).where(ShardRow.job_id == job)).scalar_one()
    claim = services.claims.claim(shard, worker="w")
    assert claim is not None
    services.claims.release(claim)
    found = queries.released(services.database, job)
    assert found is not None
    assert found.images == 3
    assert found.rest <= 2
    for address in (f"/jobs/{job}", f"/jobs/{job}/progress"):
        assert "<strong>3 waiting:</strong> a worker gave them back" in browser.get(address).text
    with services.database.write() as connection:
        connection.execute(update(ShardRow).values(not_before=0))
    assert "The next try is due" in browser.get(f"/jobs/{job}").text
    simulated_worker.process(services, job)
    assert "gave" not in browser.get(f"/jobs/{job}").text


@pytest.mark.parametrize(
    "query",
    ["state=unknown", "after=-2", "after=99999999999999999999", "sort=size", "dice_min=x", "code=odd", "mark=odd"],
)
def test_a_filter_that_does_not_fit_is_told_in_a_line(browser: Browser, services: Services, query: str) -> None:
    answer = browser.get(f"/jobs/{synthetic(services, 1)}?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.text.lower()


def test_a_filter_shows_its_items_alone(browser: Browser, services: Services) -> None:
    job = mixed(services)
    failed = browser.get(f"/jobs/{job}?state=failed").text
    assert "broken.png" in failed
    assert "not_an_image" in failed
    assert "good.png" not in failed
    assert "good.png" in browser.get(f"/jobs/{job}?state=succeeded").text
    assert "Why images failed" in browser.get(f"/jobs/{job}").text


def test_failures_are_counted_by_code(services: Services) -> None:
    reasons = queries.failure_reasons(services.database, services.repository.job(mixed(services)))
    assert [(reason.code, reason.count) for reason in reasons] == [("empty_file", 2), ("not_an_image", 1)]
    assert reasons[0].example == "the file has no bytes"


def test_the_count_of_the_one_frequent_reason_is_what_the_others_leave(
    browser: Browser, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MAX_COUNTED", 1)
    job = services.repository.job(mixed(services))
    reasons = queries.failure_reasons(services.database, job)
    assert [(reason.code, reason.count, reason.more) for reason in reasons] == [
        ("empty_file", 2, False), ("not_an_image", 1, False)
    ]  # fmt: skip
    monkeypatch.setattr(queries, "MAX_COUNTED", 0)
    reasons = queries.failure_reasons(services.database, job)
    assert [(reason.count, reason.more) for reason in reasons] == [(0, True)] * 2
    assert "over 0" in browser.get(f"/jobs/{job.id}").text


def test_the_job_is_asked_for_less_often_once_it_has_ended(browser: Browser, services: Services) -> None:
    job = synthetic(services, 2, done=False)
    assert 'data-live-every="1"' in browser.get(f"/jobs/{job}/progress").text
    assert 'data-live-every="2"' in browser.get(f"/jobs/{job}/items").text
    simulated_worker.process(services, job)
    for part in ("progress", "items"):
        assert 'data-live-every="5"' in browser.get(f"/jobs/{job}/{part}").text


def test_a_poll_without_news_has_no_body(browser: Browser, services: Services) -> None:
    job = synthetic(services, 2, done=False)
    worker = new_id()

    def report() -> None:
        services.workers.report(worker, name="w", device="cpu", model="0" * 64, images=1)

    report()
    parts = ["/jobs/live", "/jobs/live?since=1d", f"/jobs/{job}/progress", f"/jobs/{job}/items"]
    versions = {}
    for part in parts:
        answer = browser.get(part)
        versions[part] = answer.headers["ETag"]
        # The page itself says the version, so that its first poll finds nothing new.
        page = browser.get(
            "/jobs?since=1d" if "since" in part else "/jobs" if part == "/jobs/live" else f"/jobs/{job}"
        ).text
        assert part.endswith("items") or f"data-live-version='{versions[part]}'" in page
    report()  # that a worker lives is no news
    for part in parts:
        answer = browser.get(part, headers={"If-None-Match": versions[part]})
        assert (answer.status_code, answer.data) == (304, b"")
        assert len(str(answer.headers)) < 300
    simulated_worker.process(services, job)
    for part in parts:
        answer = browser.get(part, headers={"If-None-Match": versions[part]})
        assert answer.status_code == 200
        assert answer.headers["ETag"] != versions[part]


def test_another_account_gets_no_version_of_this_one(app: Flask, browser: Browser, services: Services) -> None:
    synthetic(services, 1)
    accounts.add(services.database, "vic", "words that vic knows", Role.VIEWER)
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = sessions.begin(services.database, "vic")
    seen = browser.get("/jobs/live").headers["ETag"]
    assert client.get("/jobs/live", headers={"If-None-Match": seen}).status_code == 200


def test_a_job_can_be_cancelled_while_it_is_open_and_retried_afterwards(browser: Browser, services: Services) -> None:
    job = synthetic(services, 2, done=False)
    page = browser.get(f"/jobs/{job}").text
    assert f"/jobs/{job}/cancel" in page
    assert f"/jobs/{job}/retry" not in page
    answer = browser.submit(f"/jobs/{job}/cancel", page=f"/jobs/{job}")
    assert answer.location == f"/jobs/{job}"
    assert services.repository.job(job).state is JobStatus.CANCELLED
    page = browser.get(f"/jobs/{job}").text
    assert f"/jobs/{job}/cancel" not in page
    assert "Cancelled: " in page
    browser.submit(f"/jobs/{job}/retry", page=f"/jobs/{job}")
    assert services.repository.job(job).state is JobStatus.QUEUED


def test_an_illegal_step_is_refused_with_its_reason(browser: Browser, services: Services) -> None:
    job = synthetic(services, 1)
    page = browser.get(f"/jobs/{job}").text
    assert f"/jobs/{job}/cancel" not in page
    assert f"/jobs/{job}/retry" not in page
    for step in ("cancel", "retry"):
        browser.submit(f"/jobs/{job}/{step}")
        assert f"cannot {step} a succeeded job" in browser.get(f"/jobs/{job}").text
    assert browser.submit(f"/jobs/{new_id()}/cancel").status_code == 404


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


def test_the_zip_is_sent_while_it_is_made(browser: Browser, services: Services) -> None:
    job = synthetic(services, 10)
    fetched = []
    get = services.store.get

    class Counting(type(services.store)):  # type: ignore[misc]
        def get(self, key: str) -> bytes:
            fetched.append(key)
            return get(key)

    services.store.__class__ = Counting
    answer = browser.client.get(f"/jobs/{job}/results.zip")
    next(answer.iter_encoded())
    assert 0 < len(fetched) < 4 * 10
    answer.close()


def mixed(services: Services) -> str:
    good = simulated_worker.encode_grey(simulated_worker.synthesise(1, size=128).image)
    files = {"a/good.png": good, "b/broken.png": b"no image", "b/empty.png": b"", "c/empty.png": b""}
    sources = [Source(path, lambda data=data: data) for path, data in files.items()]
    job = submit_images(services, sources, name="mixed", submitted_by="ana")
    simulated_worker.process(services, job)
    return job


def stand_out(services: Services, job: str) -> None:
    """Let nothing have been found in the first item of a job, and the second look like nothing known."""
    first, second = services.repository.items(job, limit=2)
    with services.database.write() as connection:
        connection.execute(update(ItemRow).where(ItemRow.id == first.id).values(foreground=0.0, reason="nothing_found"))
        strange = {"familiarity": 0.001, "quality": 0.5, "reason": "uneven_ground", "reason_place": "x 0, y 512"}
        connection.execute(update(ItemRow).where(ItemRow.id == second.id).values(**strange))


def test_results_that_stand_out_have_badges_and_tabs_of_their_own(browser: Browser, services: Services) -> None:
    job = synthetic(services, 4)
    assert "tab-unfamiliar" not in browser.get(f"/jobs/{job}").text
    stand_out(services, job)
    first, second, third, _ = services.repository.items(job, limit=9)
    page = browser.get(f"/jobs/{job}").text
    assert re.findall(r'id="tab-(nothing_found|unfamiliar)"', page) == ["nothing_found", "unfamiliar"]
    assert len(re.findall('class="mark mark-', page)) == 2
    assert "much brighter on one side" in page
    for mark, item in (("nothing_found", first), ("unfamiliar", second)):
        filtered = browser.get(f"/jobs/{job}?mark={mark}").text
        assert f"item-{item.id}" in filtered
        assert f"item-{third.id}" not in filtered
        assert re.search(rf'id="tab-{mark}"[^>]*aria-current="page"', filtered)


def test_notes_reach_whoever_looks_at_the_job(browser: Browser, services: Services) -> None:
    job = synthetic(services, 4)
    assert "tab-noted" not in browser.get(f"/jobs/{job}").text
    first, second, third, _ = services.repository.items(job, limit=9)
    noted = {first.id: "pages: first of 50 pages", second.id: "pages: first of 2 pages; colour: the red <one>"}
    with services.database.write() as connection:
        for item_id, note in noted.items():
            connection.execute(update(ItemRow).where(ItemRow.id == item_id).values(note=note))
    page = browser.get(f"/jobs/{job}").text
    assert "2 × pages left out, 1 × one colour taken" in page
    assert re.search(r'id="tab-noted"[^>]*>with a note <span class="tab-count">2<', page)
    assert 'class="mark mark-noted" title="pages: first of 50 pages">note<' in page
    assert "the red &lt;one&gt;" in page
    filtered = browser.get(f"/jobs/{job}?mark=noted").text
    assert [f"item-{item.id}" in filtered for item in (first, second, third)] == [True, True, False]


def test_the_job_says_how_to_go_on_with_a_download(browser: Browser, services: Services) -> None:
    job = synthetic(services, 1)
    assert f"<code>producer download {job} DIR</code>" in browser.get(f"/jobs/{job}").text


def test_the_page_of_a_result_that_stands_out_says_why_in_words(browser: Browser, services: Services) -> None:
    job = synthetic(services, 2)
    stand_out(services, job)
    first, second = (browser.get(f"/items/{item.id}").text for item in services.repository.items(job, limit=2))
    assert "No shape was found in this picture." in first
    assert "not available" in first
    assert "much brighter on one side than on the other" in second
    assert "Worst at x 0, y 512." in second


def test_a_job_that_refuses_says_so(browser: Browser, services: Services) -> None:
    assert (
        browser.submit("/new/upload", {"images": (io.BytesIO(b"x"), "a.png"), "unfamiliar": "refuse"}).status_code
        == 302
    )
    [job] = services.repository.jobs(limit=1)
    assert job.unfamiliar is Unfamiliar.REFUSE
    assert "<dt>Unfamiliar images</dt><dd>refuse</dd>" in browser.get(f"/jobs/{job.id}").text
