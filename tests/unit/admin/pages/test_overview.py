import re

from sqlalchemy import select, update

from shared.db.tables.base import new_id
from shared.db.tables.jobs import ItemRow, ShardRow, WorkerRow
from shared.jobs.workers import Memory
from shared.services import Services
from shared.upkeep.bulk import BulkRunner
from shared.upkeep.tally import tally
from tests.unit.admin.conftest import Browser
from tests.unit.admin.made_jobs import mixed, synthetic


def report(services: Services, name: str) -> None:
    memory = Memory(3 * 2**30, 2**29, 2**36)
    services.workers.report(new_id(), name=name, device="cpu", model="0" * 64, images=1, memory=memory)


def test_an_empty_installation_has_nothing_amiss(browser: Browser) -> None:
    page = browser.get("/").text
    for said in ("Nothing is amiss.", "No job is open.", "No worker has been heard of", "No image of a job"):
        assert said in page


def test_a_filter_of_jobs_at_the_first_address_leads_to_the_list(browser: Browser) -> None:
    assert browser.get("/?q=liver&state=open").location == "/jobs?q=liver&state=open"


def test_each_open_job_says_what_it_waits_for(browser: Browser, services: Services) -> None:
    job = synthetic(services, 3, done=False)
    page = browser.get("/").text
    assert "No worker is running, and 1 shard with 3 images wait: start one." in page
    for waits in (page, browser.get(f"/jobs/{job}").text):
        assert "It waits, since no worker is running." in waits
    report(services, "studio:7")
    assert "a worker lives and takes it as soon as it is free" in browser.get("/").text
    for address in ("/", "/jobs"):
        assert "3 GiB<br><small>512 MiB of 64 GiB on the device</small>" in browser.get(address).text
    synthetic(services, 1, done=False)
    assert "It waits for its turn: 1 other job waits too" in browser.get("/").text
    with services.database.read() as connection:
        shard = connection.execute(select(ShardRow.id).where(ShardRow.job_id == job)).scalar_one()
    claim = services.claims.claim(shard, worker="studio:7")
    assert claim is not None
    assert "3 images in work, 0 to come." in browser.get("/").text
    services.claims.release(claim)
    assert "A worker gave it back" in browser.get("/").text
    services.repository.cancel(job)


def test_a_vanished_worker_is_told_with_what_it_holds(browser: Browser, services: Services) -> None:
    job = synthetic(services, 3, done=False)
    report(services, "studio:7")
    report(services, "studio:8")
    with services.database.read() as connection:
        shard = connection.execute(select(ShardRow.id).where(ShardRow.job_id == job)).scalar_one()
    assert services.claims.claim(shard, worker="studio:7") is not None
    assert "Nothing is amiss." in browser.get("/").text
    with services.database.write() as connection:
        ago = update(WorkerRow).where(WorkerRow.name == "studio:7").values(seen_at=WorkerRow.seen_at - 20)
        connection.execute(ago)
        connection.execute(update(ItemRow).values(lease_until=ItemRow.lease_until - 10))
    page = browser.get("/").text
    assert re.search(r"studio:7 has not been heard of for 2\d s and holds 3 images, free in [23]\d s\.", page)
    assert "studio:8 has not" not in page


def test_causes_over_all_jobs_are_retried_at_once(browser: Browser, services: Services) -> None:
    jobs = [mixed(services), mixed(services)]
    tally(services.database)
    page = browser.get("/").text
    counts = r'data-label="Images">(\d+)</td><td class="number" data-label="Jobs"><a href="(\S+)">(\d+)<'
    assert re.findall(counts, page) == [
        ("4", "/jobs?cause=empty_file", "2"), ("2", "/jobs?cause=not_an_image", "2"),
    ]  # fmt: skip
    form = {"action": "retry", "scope": "all", "f-cause": "empty_file", "code": "empty_file"}
    answer = browser.submit("/bulk-actions", form)
    BulkRunner(services.repository).round()
    assert "4 images" in browser.get(answer.location).text
    assert [services.repository.job(job).counts.pending for job in jobs] == [2, 2]


def test_a_poll_without_news_has_no_body(browser: Browser, services: Services) -> None:
    report(services, "studio:7")
    synthetic(services, 3, done=False)
    version = browser.get("/overview/live").headers["ETag"]
    assert browser.get("/overview/live", headers={"If-None-Match": version}).status_code == 304


def test_the_last_hour_and_day_and_the_last_scores_are_drawn(browser: Browser, services: Services) -> None:
    assert "The last synthetic jobs" not in browser.get("/").text
    job = synthetic(services, 3)
    synthetic(services, 2, done=False)
    page = browser.get("/").text
    assert page.count('<svg class="history-') == 4
    assert page.count("at most 2") >= 2  # images wait
    items = services.repository.items(job, limit=3)
    mean = sum(item.dice or 0.0 for item in items) / 3
    clean = [item.dice for item in items if item.synthesis and item.synthesis["severity"] == 0]
    assert len(clean) == 1
    assert re.findall(r"<span>(\d\.\d{3})</span>", page)[:2] == [f"{mean:.3f}", f"{clean[0]:.3f}"]
    part = browser.get("/overview/history")
    assert part.headers["ETag"] in page
