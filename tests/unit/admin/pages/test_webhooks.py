"""What an account's webhooks were sent, and what became of it."""

import pytest
from sqlalchemy import update

from admin.domain import accounts
from shared.db.tables.webhooks import WebhookDeliveryRow
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.webhooks import Webhook, Webhooks
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.conftest import NOTHING, Browser

URL = "https://receiver.example/hook?a=1&b=<2>"


@pytest.fixture
def outbox(services: Services) -> Webhooks:
    return Webhooks(services.database)


@pytest.fixture
def webhook(browser: Browser, outbox: Webhooks) -> Webhook:
    """One of ana's, who is logged in."""
    return outbox.add("ana", URL, owner="ben")[0]


def test_without_a_webhook_the_page_says_how_one_is_made(browser: Browser) -> None:
    assert 'href="/webhooks"' in browser.get("/tokens").text
    assert "POST /api/v1/webhooks" in browser.get("/webhooks").text


def test_a_message_is_shown_with_what_became_of_it(
    browser: Browser, services: Services, outbox: Webhooks, webhook: Webhook
) -> None:
    address = f"/webhooks/{webhook.id}"
    listed = browser.get("/webhooks").text
    assert f'href="{address}"' in listed
    assert "https://receiver.example/hook?a=1&amp;b=&lt;2&gt;" in listed
    assert "none in 30 days" in listed
    job = submit_synthetic(services, SyntheticSpec(1), name="x", submitted_by="ben (web)")
    simulated_worker.process(services, job)
    page = browser.get(address).text
    assert "job.succeeded" in page
    assert f'href="/jobs/{job}"' in page
    assert "on its way" in page
    assert "on its way" in browser.get("/webhooks").text
    [due] = outbox.take_due(limit=9, lease=60)
    outbox.failed(due, status=503, error="the receiver answers 503", again_in=300)
    page = browser.get(address).text
    assert "sent again in 5 min" in page
    assert "the receiver answers 503" in page
    outbox.failed(due, status=None, error="no answer", again_in=None)
    assert "given up" in browser.get(address).text
    sent = browser.submit(f"{address}/deliveries/{due.id}/send")
    assert sent.location == address
    assert "on its way" in browser.get(address).text
    [again] = outbox.take_due(limit=9, lease=60)
    outbox.arrived(again, 204)
    assert "arrived" in browser.get(address).text


def test_a_test_is_sent_until_the_receiver_has_gone(browser: Browser, outbox: Webhooks, webhook: Webhook) -> None:
    address = f"/webhooks/{webhook.id}"
    assert browser.submit(f"{address}/test").location == address
    [delivery] = outbox.deliveries(webhook.id, limit=9)
    assert delivery.kind == "webhook.test"
    assert "Send a test" in browser.get(address).text
    outbox.end(webhook.id)
    page = browser.get(address).text
    assert "that it is gone (410)" in page
    assert "not sent" in page
    assert "Send a test" not in page


def test_many_messages_come_in_pages(
    browser: Browser, services: Services, outbox: Webhooks, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin.pages.webhooks._MESSAGES_A_PAGE", 2)
    sent = [outbox.test(webhook.id).id for _ in range(3)]
    with services.database.write() as connection:
        connection.execute(update(WebhookDeliveryRow).values(error="its own words"))
    first = browser.get(f"/webhooks/{webhook.id}").text
    assert [sent_id in first for sent_id in sent] == [False, True, True]
    older = browser.get(f"/webhooks/{webhook.id}?before={sent[1]}").text
    assert f"before={sent[1]}" in first
    assert [sent_id in older for sent_id in sent] == [True, False, False]
    assert browser.get(f"/webhooks/{webhook.id}?before=x").status_code == 400


def test_those_of_others_are_not_there(browser: Browser, services: Services, outbox: Webhooks) -> None:
    accounts.add(services.database, "ben", "words that ben knows", accounts.Role.OPERATOR)
    other = outbox.add("ben", URL)[0].id
    message = outbox.test(other).id
    assert other not in browser.get("/webhooks").text
    for address in (f"/webhooks/{other}", f"/webhooks/{NOTHING}"):
        assert browser.get(address).status_code == 404
        assert browser.submit(f"{address}/test").status_code == 404
        assert browser.submit(f"{address}/deliveries/{message}/send").status_code == 404
    assert len(outbox.deliveries(other, limit=9)) == 1
