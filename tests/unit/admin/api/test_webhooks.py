"""Webhooks from the end of a job to a real receiver on a real socket."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook as Verifier

from admin.api import webhooks as api
from shared.db.database import db_now
from shared.db.tables.webhooks import WebhookDeliveryRow
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.webhooks import KEPT_SECONDS, Webhooks
from shared.services import Services
from shared.upkeep import webhook_post
from shared.upkeep.webhook_post import Forbidden, check_url
from shared.upkeep.webhooks import PAUSES_SECONDS, WebhookSender
from tests import simulated_worker
from tests.unit.admin.api.conftest import Api
from tests.unit.admin.conftest import NOTHING


class Receiver:
    """A server that answers as it is told, and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status, headers = outer.answers.pop(0) if outer.answers else (204, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?x=1"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "check_url", lambda url, private: check_url(url, private=True))


@pytest.fixture
def sender(services: Services) -> WebhookSender:
    return WebhookSender(Webhooks(services.database), private=True)


def ended_job(services: Services) -> str:
    job = submit_synthetic(services, SyntheticSpec(2), name="job", submitted_by="ana (API)")
    simulated_worker.process(services, job)
    return job


def make_due(services: Services) -> None:
    with services.database.write() as connection:
        waits = WebhookDeliveryRow.next_at.is_not(None)
        connection.execute(update(WebhookDeliveryRow).where(waits).values(next_at=1.0))


def test_a_jobs_end_reaches_a_receiver_signed(
    operator: Api, services: Services, receiver: Receiver, sender: WebhookSender, private: None
) -> None:
    made = operator.post("/webhooks", json={"url": receiver.url})
    other = operator.post("/webhooks", json={"url": receiver.url, "owner": "somebody else"})
    assert (made.status_code, made.json["secret"][:6]) == (201, "whsec_")
    job = ended_job(services)
    assert services.repository.close_if_finished(job) is None  # once more changes nothing
    assert (sender.round(), sender.round()) == (1, 0)
    [(headers, body)] = receiver.got
    told = Verifier(made.json["secret"]).verify(body, headers)
    assert (told["type"], told["data"]["id"], told["data"]["state"]) == ("job.succeeded", job, "succeeded")
    assert (told["data"]["counts"]["succeeded"], told["data"]["url"]) == (2, f"/api/v1/jobs/{job}")
    with pytest.raises(Exception, match="signature"):
        Verifier(other.json["secret"]).verify(body, headers)
    hook = made.json["id"]
    [delivery] = operator.get(f"/webhooks/{hook}/deliveries").json["deliveries"]
    assert (delivery["id"], delivery["attempts"], delivery["status"]) == (headers["webhook-id"], 1, 204)
    assert delivery["delivered_at"]
    again = operator.post(f"/webhooks/{hook}/deliveries/{delivery['id']}/send").json
    assert (again["attempts"], again["delivered_at"]) == (0, None)
    assert sender.round() == 1
    assert (receiver.got[1][0]["webhook-id"], receiver.got[1][1]) == (delivery["id"], body)
    operator.post(f"/webhooks/{hook}/test")
    assert sender.round() == 1
    assert json.loads(receiver.got[2][1])["type"] == "webhook.test"
    page = operator.get(f"/webhooks/{hook}/deliveries?limit=1").json
    assert page["deliveries"][0]["kind"] == "webhook.test"
    assert (
        operator.get(f"/webhooks/{hook}/deliveries?before={page['next']}").json["deliveries"][0]["id"] == delivery["id"]
    )
    assert operator.send("DELETE", f"/webhooks/{hook}").status_code == 204
    assert [found["id"] for found in operator.get("/webhooks").json["webhooks"]] == [other.json["id"]]


def test_what_is_not_taken_is_sent_again_with_growing_pauses(
    operator: Api, services: Services, receiver: Receiver, sender: WebhookSender, private: None
) -> None:
    hook = operator.post("/webhooks", json={"url": receiver.url}).json["id"]
    ended_job(services)
    store = Webhooks(services.database)

    def pause() -> float:
        [delivery] = store.deliveries(hook, limit=9)
        with services.database.read() as connection:
            return delivery.next_at - connection.execute(select(db_now())).scalar_one()

    receiver.answers = [(500, {}), (302, {"Location": receiver.url}), (429, {"Retry-After": "1234"})]
    sender.round()
    assert 0 < pause() <= PAUSES_SECONDS[0] * 1.1
    assert sender.round() == 0  # not yet
    make_due(services)
    sender.round()
    assert len(receiver.got) == 2  # a redirect is not followed
    assert PAUSES_SECONDS[1] * 0.8 < pause() <= PAUSES_SECONDS[1] * 1.1
    make_due(services)
    sender.round()
    assert pause() > 1200
    receiver.answers = [(503, {})] * 7
    for _ in range(7):
        make_due(services)
        sender.round()
    [delivery] = store.deliveries(hook, limit=9)
    assert (delivery.attempts, delivery.next_at, delivery.delivered_at) == (10, None, None)
    assert delivery.error == "the receiver answered with 503"
    make_due(services)
    assert sender.round() == 0


def test_a_receiver_that_is_gone_gets_nothing_more(
    operator: Api, services: Services, receiver: Receiver, sender: WebhookSender, private: None
) -> None:
    hook = operator.post("/webhooks", json={"url": receiver.url}).json["id"]
    receiver.answers = [(410, {})]
    ended_job(services)
    sender.round()
    assert operator.get("/webhooks").json["webhooks"][0]["ended_at"]
    ended_job(services)
    assert sender.round() == 0
    [delivery] = operator.get(f"/webhooks/{hook}/deliveries").json["deliveries"]
    operator.post(f"/webhooks/{hook}/deliveries/{delivery['id']}/send")
    assert sender.round() == 1
    assert operator.get("/webhooks").json["webhooks"][0]["ended_at"] is None


def test_nobody_answers(operator: Api, services: Services, sender: WebhookSender, private: None) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        hook = operator.post("/webhooks", json={"url": f"http://127.0.0.1:{taken.getsockname()[1]}/"}).json["id"]
        operator.post(f"/webhooks/{hook}/test")
        sender.round()
    [delivery] = operator.get(f"/webhooks/{hook}/deliveries").json["deliveries"]
    assert (delivery["error"], delivery["status"], delivery["attempts"]) == ("nobody listens there", None, 1)


@pytest.mark.parametrize(
    "url",
    ["http://example.org/", "https://127.0.0.1/", "https://10.1.2.3/", "https://[::1]/", "https://169.254.169.254/",
     "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a00:1]/", "https://[2002:a00:1::]/", "https://100.64.0.1/",
     "https://[fd00::1]/", "https://0.0.0.0/", "https://a@example.org/", "ftp://example.org/", "https://", "x",
     "https://example.org/#a", "https://example.org/ü", "https://example.org:99999/", "https://224.0.0.1/"],
)  # fmt: skip
def test_addresses_that_nothing_is_sent_to(operator: Api, url: str) -> None:
    answer = operator.post("/webhooks", json={"url": url})
    assert answer.status_code == 422
    assert [found["field"] for found in answer.json["fields"]] == ["url"]


def test_a_name_that_leads_into_a_private_network_is_seen_when_it_is_looked_up(
    operator: Api, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = operator.post("/webhooks", json={"url": "https://hook.example/"}).json["id"]
    operator.post(f"/webhooks/{hook}/test")
    found = [(socket.AF_INET, 0, 0, "", (address, 443)) for address in ("93.184.216.34", "192.168.0.7")]
    monkeypatch.setattr(webhook_post.socket, "getaddrinfo", lambda *_a, **_k: found)
    monkeypatch.setattr(webhook_post.socket, "create_connection", lambda *_a, **_k: pytest.fail("connected"))
    WebhookSender(Webhooks(services.database), private=False).round()
    [delivery] = operator.get(f"/webhooks/{hook}/deliveries").json["deliveries"]
    assert "private network" in delivery["error"]
    assert delivery["next_at"] is None
    check_url("http://10.0.0.1/", private=True)
    with pytest.raises(Forbidden):
        check_url("http://10.0.0.1/", private=False)


def test_a_webhook_is_its_accounts_alone(operator: Api, viewer: Api, private: None) -> None:
    hook = operator.post("/webhooks", json={"url": "http://127.0.0.1/"}).json["id"]
    assert viewer.get("/webhooks").json["webhooks"] == []
    assert viewer.get(f"/webhooks/{hook}/deliveries").status_code == 404
    assert operator.post(f"/webhooks/{hook}/deliveries/{NOTHING}/send").status_code == 404
    assert operator.send("DELETE", f"/webhooks/{NOTHING}").status_code == 404
    for _ in range(19):
        assert operator.post("/webhooks", json={"url": "http://127.0.0.1/"}).status_code == 201
    assert operator.post("/webhooks", json={"url": "http://127.0.0.1/"}).status_code == 409


def test_old_messages_are_forgotten(operator: Api, services: Services, private: None) -> None:
    hook = operator.post("/webhooks", json={"url": "http://127.0.0.1/"}).json["id"]
    store = Webhooks(services.database)
    old, waiting = store.test(hook), store.test(hook)
    with services.database.write() as connection:
        long_ago = {"created_at": WebhookDeliveryRow.created_at - KEPT_SECONDS - 1}
        connection.execute(update(WebhookDeliveryRow).values(long_ago))
        of_old = WebhookDeliveryRow.id == old.id
        connection.execute(update(WebhookDeliveryRow).where(of_old).values(next_at=None))
    assert store.forget_old() == 1
    assert [delivery.id for delivery in store.deliveries(hook, limit=9)] == [waiting.id]
