"""The list of jobs and what was done to them: filters, pages, polls."""

import re

import pytest
from flask import Flask

from admin.domain import accounts, queries, sessions
from admin.domain.roles import Role
from shared.db.tables.base import new_id
from shared.jobs.workers import Performance
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.conftest import Browser
from tests.unit.admin.made_jobs import synthetic


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


@pytest.mark.parametrize("address", ["/jobs", "/jobs/live"])
def test_a_page_before_what_is_no_id_is_told(browser: Browser, address: str) -> None:
    answer = browser.get(f"{address}?before=x/y")
    assert answer.status_code == 400
    assert "The filter names something that there is not" in answer.text


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
