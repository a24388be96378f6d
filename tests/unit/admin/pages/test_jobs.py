import io
import re

import pytest
from sqlalchemy import select, update

from admin.domain import queries
from shared.db.tables.base import new_id
from shared.db.tables.jobs import ItemRow, ShardRow
from shared.jobs.item_search import ItemSearch, Place
from shared.jobs.records import Unfamiliar
from shared.jobs.state import JobStatus
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.conftest import Browser
from tests.unit.admin.made_jobs import mixed, synthetic


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
    assert queries.released(services.database, [job]) == {}
    with services.database.read() as connection:
        shard = connection.execute(select(ShardRow.id).where(ShardRow.job_id == job)).scalar_one()
    claim = services.claims.claim(shard, worker="w")
    assert claim is not None
    services.claims.release(claim)
    found = queries.released(services.database, [job])[job]
    assert found.images == 3
    assert found.rest <= 2
    for address in (f"/jobs/{job}", f"/jobs/{job}/progress"):
        assert "<strong>3 waiting:</strong> a worker gave them back" in browser.get(address).text
    with services.database.write() as connection:
        connection.execute(update(ShardRow).values(not_before=0))
    assert "The next try is due" in browser.get(f"/jobs/{job}").text
    simulated_worker.process(services, job)
    assert "gave" not in browser.get(f"/jobs/{job}").text


NO_PLACE = "<p>This is no place in this order: leave `after` out, or give the `next` of a page."


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("after=-2", NO_PLACE),
        ("after=99999999999999999999", NO_PLACE),
        ("state=unknown", "<p>The value of state does not fit: "),
        ("sort=size", "<p>The value of sort does not fit: sort by one of number, path, "),
        ("dice_min=x", "<p>The value of dice_min does not fit: input should be a valid number"),
        ("code=odd", "<p>The value of code does not fit: "),
        ("mark=odd", "<p>The value of mark does not fit: "),
    ],
)
def test_a_filter_that_does_not_fit_is_told_in_a_line(
    browser: Browser, services: Services, query: str, said: str
) -> None:
    answer = browser.get(f"/jobs/{synthetic(services, 1)}?{query}")
    assert answer.status_code == 400
    assert said in answer.text


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
