"""The review desk as pages and forms; tests/acceptance/test_review.py works it by keys."""

import re

import pytest

from admin.domain import accounts, sessions
from admin.domain.roles import Role
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.grades import Grade, Review
from shared.jobs.records import Item
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.conftest import Browser

SCRIPT = {"X-Requested-With": "review"}


@pytest.fixture
def job(services: Services) -> str:
    job_id = submit_synthetic(services, SyntheticSpec(5), name="job", submitted_by="ana")
    simulated_worker.process(services, job_id)
    return job_id


@pytest.fixture
def items(services: Services, job: str) -> list[Item]:
    """The results of the job, those trusted least first."""
    found = services.repository.items(job, limit=5)
    return sorted(found, key=lambda item: (item.trust, item.number))


def shown(page: str) -> list[str]:
    return re.findall(r'data-item="([^"]+)"', page)


def review_of(services: Services, item: Item) -> Review:
    found = services.repository.item(item.id)
    assert found is not None
    return found.review


def test_one_after_the_other_by_forms_alone(browser: Browser, services: Services, job: str, items: list[Item]) -> None:
    desk = f"/jobs/{job}/review"
    for item, grade in zip(items, [*Grade, *Grade], strict=False):
        page = browser.get(desk)
        assert shown(page.text) == [item.id]
        note = f"said of {item.number}"
        answer = browser.submit(f"{desk}/{item.id}", {"grade": grade, "note": note}, page=desk)
        assert answer.location == desk
        review = review_of(services, item)
        assert (review.grade, review.note, review.graded_by) == (grade, note, "ana")
    done = browser.get(desk).text
    assert shown(done) == []
    assert "5 of 5 results graded: 2 accepted, 2 rejected, 1 unsure" in done
    assert "Nothing is left to grade" in done

    undone = browser.submit(f"{desk}/undo", page=desk)
    assert undone.location == f"{desk}?item={items[4].id}"
    assert review_of(services, items[4]).grade is None
    assert shown(browser.get(undone.location).text) == [items[4].id]


def test_skipping_leads_on(browser: Browser, job: str, items: list[Item]) -> None:
    first = browser.get(f"/jobs/{job}/review").text
    link = re.search(r'class="button pass" href="([^"]+)"', first)
    assert link is not None
    second = browser.get(link[1].replace("&amp;", "&")).text
    assert shown(second) == [items[1].id]


def test_the_next_ones_come_as_hidden_pieces(browser: Browser, job: str, items: list[Item]) -> None:
    desk = f"/jobs/{job}/review"
    values = {"keeping": [items[0].id], "ahead": "9"}
    pieces = browser.submit(f"{desk}/take", values, page=desk).text
    assert shown(pieces) == [item.id for item in items[1:4]]
    assert len(re.findall(r"<article [^>]* hidden>", pieces)) == 3
    assert 'id="graded"' in pieces
    assert browser.submit(f"{desk}/take", {"keeping": ["x"]}, page=desk).status_code == 400


def test_two_desks_have_different_results(app, browser: Browser, services: Services, job: str) -> None:
    accounts.add(services.database, "kim", "words that kim knows", Role.REVIEWER)
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = sessions.begin(services.database, "kim")
    kim = Browser(client)
    desk = f"/jobs/{job}/review"
    [mine], [hers] = (shown(each.get(desk).text) for each in (browser, kim))
    assert mine != hers
    # Graded all the same, as from another tab: told, and both are kept.
    kim.submit(f"{desk}/{mine}", {"grade": "accepted"}, page=desk)
    told = browser.client.post(
        f"{desk}/{mine}", data={"csrf_token": browser.token(desk), "grade": "rejected"}, headers=SCRIPT
    )
    assert "kim had said accepted. Your grade stands now; both are kept." in told.json["told"]
    refused = kim.client.post(f"{desk}/undo", data={"csrf_token": kim.token(desk)}, headers=SCRIPT)
    assert (refused.status_code, refused.json["told"]) == (
        409,
        "Ana has been at that image since: look at it before you change it.",
    )


def test_what_is_no_result_is_not_graded(browser: Browser, services: Services, job: str) -> None:
    other = submit_synthetic(services, SyntheticSpec(1), name="other", submitted_by="ana")
    waiting = services.repository.items(other, limit=1)[0]
    desk = f"/jobs/{job}/review"
    assert browser.submit(f"{desk}/{waiting.id}", {"grade": "accepted"}, page=desk).status_code == 404
    assert browser.get(f"{desk}?item={waiting.id}").status_code == 404
    assert "what comes is shown here" in browser.get(f"/jobs/{other}/review").text


def test_a_grade_that_there_is_not(browser: Browser, job: str, items: list[Item]) -> None:
    desk = f"/jobs/{job}/review"
    assert browser.submit(f"{desk}/{items[0].id}", {"grade": "good"}, page=desk).status_code == 400
    too_long = browser.submit(f"{desk}/{items[0].id}", {"grade": "accepted", "note": "x" * 1001}, page=desk)
    assert "A note has at most 1,000 characters" in browser.get(too_long.location).text


def test_the_page_of_an_item_tells_what_was_said(
    browser: Browser, services: Services, job: str, items: list[Item]
) -> None:
    desk = f"/jobs/{job}/review"
    browser.submit(f"{desk}/{items[0].id}", {"grade": "rejected", "note": "<a hole>"}, page=desk)
    page = browser.get(f"/items/{items[0].id}").text
    assert "rejected" in page
    assert "&lt;a hole&gt;" in page
    assert f"/jobs/{job}/review?item={items[0].id}" in page
    accounts.add(services.database, "op", "words that op knows", Role.OPERATOR)
    accounts.set_role(services.database, "ana", Role.VIEWER)
    for address in (f"/items/{items[0].id}", f"/jobs/{job}"):
        assert f"/jobs/{job}/review" not in browser.get(address).text
    assert browser.get(desk).status_code == 403
