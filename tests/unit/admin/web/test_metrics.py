"""/metrics of the admin: who may read it, and what it says about the queue."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from werkzeug.test import TestResponse

from admin.serving.app import create_app
from admin.web.metrics import QueueCollector
from shared.db.tables.base import new_id
from shared.errors import BrokerUnavailable
from shared.health import Readiness
from shared.jobs.records import NewItem
from shared.jobs.state import JobKind
from shared.services import Services
from tests.unit.admin.conftest import Browser

TOKEN = "a token of some length"
HOLDER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def guarded(services: Services) -> Flask:
    """The admin with METRICS_TOKEN set."""
    settings = services.settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})
    return create_app(settings, replace(services, settings=settings))


@pytest.fixture
def scrape(guarded: Flask) -> Callable[[], dict[str, float]]:
    def scrape() -> dict[str, float]:
        return samples(guarded.test_client().get("/metrics", headers=HOLDER))

    return scrape


def samples(answer: TestResponse) -> dict[str, float]:
    """Value by name and labels, as `name{label=value}`."""
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def submit(services: Services, *sizes: int, priority: int = 0) -> list[str]:
    job_id = services.repository.create_job(JobKind.IMAGES, name="job", submitted_by="ana", priority=priority)
    return [
        services.repository.add_shard(
            job_id, [NewItem(id=new_id(), path=f"{shard}/{number}", source_key="k") for number in range(size)]
        )
        for shard, size in enumerate(sizes)
    ]


def test_without_a_token_set_there_is_no_such_page_for_anybody(stranger: Browser, browser: Browser):
    assert stranger.get("/metrics").status_code == 404
    assert stranger.get("/metrics", headers=HOLDER).status_code == 404
    assert browser.get("/metrics").status_code == 404


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer another one of some length"}])
def test_strangers_read_nothing(guarded: Flask, headers: dict[str, str]):
    client: FlaskClient = guarded.test_client()
    answer = client.get("/metrics", headers=headers)
    assert (answer.status_code, answer.data) == (401, b"")


def test_an_empty_queue(scrape: Callable[[], dict[str, float]]):
    found = scrape()
    assert not [name for name in found if name.startswith("delineate_pending_images")]
    assert found["delineate_running_images"] == found["delineate_queue_messages"] == found["delineate_workers"] == 0
    assert {found[f"delineate_service_up{{service={name}}}"] for name in ("database", "queue", "store")} == {1}
    assert "process_resident_memory_bytes" in found
    assert "delineate_images_total{outcome=succeeded}" in found


def test_the_queue_by_priority(services: Services, scrape: Callable[[], dict[str, float]]):
    first, *_ = submit(services, 3, 2)
    submit(services, 4, priority=10)
    services.workers.report(new_id(), name="w", device="cpu", model="0" * 64, images=0)
    assert services.claims.claim(first, worker="w")
    found = scrape()
    assert found["delineate_pending_images{priority=0}"] == 2
    assert found["delineate_pending_images{priority=10}"] == 4
    assert found["delineate_waiting_shards{priority=0}"] == 1
    assert found["delineate_running_images"] == 3
    assert found["delineate_workers"] == 1
    assert 0 <= found["delineate_oldest_pending_age_seconds{priority=0}"] < 3600


def test_the_queue_is_read_once_in_some_seconds_whoever_asks(services: Services):
    collector = QueueCollector(services, Readiness(services), kept=3600)
    before = [family.samples for family in collector.collect()]
    submit(services, 3)
    assert [family.samples for family in collector.collect()] == before
    assert [family.samples for family in QueueCollector(services, Readiness(services)).collect()] != before


def test_what_is_away_is_left_out_and_said(services: Services, scrape, monkeypatch: pytest.MonkeyPatch):
    def away(_queue: object) -> None:
        raise BrokerUnavailable("no answer")

    monkeypatch.setattr(type(services.queue), "check", away)
    found = scrape()
    assert found["delineate_service_up{service=queue}"] == 0
    assert found["delineate_running_images"] == 0
    assert "delineate_queue_messages" not in found


def test_an_outage_between_the_check_and_the_reading_breaks_no_scrape(
    services: Services, scrape, monkeypatch: pytest.MonkeyPatch
):
    def away(_queue: object) -> int:
        raise BrokerUnavailable("no answer")

    monkeypatch.setattr(type(services.queue), "length", away)
    found = scrape()
    assert "delineate_queue_messages" not in found
    assert found["delineate_service_up{service=database}"] == 1
