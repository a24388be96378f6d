"""The HTTP API; every answer in here is held against the document that the API serves."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import validate as validate_document

from admin.domain import tokens
from admin.domain.roles import Role
from shared.db.model_registry import ModelRegistry
from shared.db.tables.base import new_id
from shared.errors import (
    BrokerUnavailable,
    DatabaseFull,
    DatabaseUnavailable,
    Retryable,
    StoreFull,
    StoreUnavailable,
)
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.workers import Memory, Performance
from shared.services import Services
from tests.unit.admin.api.conftest import Api
from tests.unit.admin.conftest import NOTHING, Browser


def routes(app: Flask) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.document":
            address = rule.build({name: "mask" if name == "file" else NOTHING for name in rule.arguments})[1]
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                yield method, address


def test_the_document_is_valid_and_names_every_route(app: Flask, document: dict[str, Any]) -> None:
    validate_document(document)
    described = {(method, path) for path, found in document["paths"].items() for method in found}
    served = {
        (method.lower(), re.sub(r"<(?:[^:>]*:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.document"
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert described == served
    assert len(served) >= 12
    identifiers = [found["operationId"] for path in document["paths"].values() for found in path.values()]
    assert len(set(identifiers)) == len(identifiers)


def test_events_say_who_did_what_from_where(operator: Api, services: Services) -> None:
    job = submit_synthetic(services, SyntheticSpec(1), name="job", submitted_by="bea@studio")
    assert operator.post(f"/jobs/{job}/cancel").status_code == 200
    found = operator.get(f"/events?job_id={job}").json
    assert [(event["kind"], event["actor"], event["source"]) for event in found["events"]] == [
        ("cancelled", "ana", "api"), ("submitted", "bea@studio", "command"),
    ]  # fmt: skip
    assert found["next"] is None
    first = operator.get("/events?limit=1&since=2020-01-01T00:00:00").json
    assert operator.get(f"/events?limit=1&before={first['next']}").json["events"] == [found["events"][1]]
    for query in ("kind=made", "since=yesterday", "job_id=7", "actor=%00", "size=3"):
        answer = operator.get(f"/events?{query}")
        assert (answer.status_code, len(answer.json["fields"])) == (422, 1), query


def test_every_route_wants_a_token(app: Flask, browser: Browser) -> None:
    # A session is none; nor is what is no token at all.
    for method, address in routes(app):
        for headers in ({}, {"Authorization": "Bearer dln_" + "x" * 43}, {"Authorization": "Basic YW5hOng="}):
            answer = browser.client.open(address, method=method, headers=headers)
            assert answer.status_code == 401, (method, address)
            assert answer.mimetype == "application/problem+json"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert "Set-Cookie" not in answer.headers


def test_a_token_opens_no_page(operator: Api) -> None:
    assert operator.client.get("/", headers=operator.headers).status_code == 302


def test_a_viewer_changes_nothing(app: Flask, viewer: Api) -> None:
    refused = 0
    for method, address in routes(app):
        answer = viewer.client.open(address, method=method, headers=viewer.headers)
        assert (answer.status_code == 403) is (method != "GET" or address.endswith("/demo")), (method, address)
        refused += answer.status_code == 403
    assert refused == 25
    assert viewer.get("/me").json["role"] == "viewer"


def test_an_operators_token_can_be_a_viewer(app: Flask, services: Services, document: dict[str, Any]) -> None:
    api = Api(app.test_client(), document, tokens.create(services.database, "ana", "reads", Role.VIEWER, days=None))
    assert api.get("/me").json == {"account": "ana", "role": "viewer", "token": "reads", "expires_at": None}
    assert api.post("/jobs/synthetic", json={"count": 1}).status_code == 403


def test_jobs_come_in_pages_by_key(operator: Api, services: Services) -> None:
    made = [submit_synthetic(services, SyntheticSpec(1), name=str(n), submitted_by="ana") for n in range(5)]
    seen, cursor = [], ""
    while True:
        page = operator.get(f"/jobs?limit=2{cursor}").json
        seen += [job["id"] for job in page["jobs"]]
        if page["next"] is None:
            break
        cursor = f"&before={page['next']}"
    assert seen == made[::-1]


def test_a_page_after_what_is_no_id(operator: Api) -> None:
    for cursor in ("x", "a%00", f"{NOTHING}x"):
        assert operator.get(f"/jobs?before={cursor}").json["fields"][0]["field"] == "before"


def test_an_answer_does_not_grow_with_the_mistake(operator: Api) -> None:
    for sent in (
        operator.get("/jobs?" + "&".join(f"{n}=" for n in range(5000))),
        operator.get("/jobs?" + "&".join(f"{n}=" for n in range(90))),
        operator.post("/jobs/synthetic", json={str(n): 1 for n in range(5000)}),
        operator.post("/jobs/synthetic", json={"count": 1, "x" * 100_000: 1}),
    ):
        assert sent.status_code == 422
        assert 1 <= len(sent.json["fields"]) <= 20
        assert len(sent.data) < 5000
    assert "70 more" in operator.get("/jobs?" + "&".join(f"{n}=" for n in range(90))).json["detail"]


def test_the_document_says_what_is_checked(document: dict[str, Any]) -> None:
    properties = document["components"]["schemas"]["Synthetic"]["properties"]
    assert "gaussian" in properties["noise"]["anyOf"][0]["enum"]
    assert "dotblob-v1" in properties["definition"]["enum"]
    form = document["paths"]["/api/v1/jobs/images"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert (form["properties"]["images"]["minItems"], form["properties"]["images"]["maxItems"]) == (1, 500)
    for path in ("/api/v1/jobs/images", "/api/v1/jobs/synthetic"):
        [key] = [found for found in document["paths"][path]["post"]["parameters"] if found["name"] == "Idempotency-Key"]
        assert key["in"] == "header"


def test_workers_and_how_fast_they_run(viewer: Api, services: Services) -> None:
    assert viewer.get("/workers").json == {
        "workers": [],
        "quiet_seconds": None,
        "images_per_second": None,
        "share": None,
    }
    services.workers.report(
        new_id(), name="w", device="cpu", model="ab" * 32, images=7, performance=Performance(60.0, 80.0, "infer"),
        memory=Memory(resident_bytes=2**31),
    )  # fmt: skip
    services.workers.report(new_id(), name="new", device="cpu", model="ab" * 32, images=0)
    answer = viewer.get("/workers").json
    assert (answer["images_per_second"], answer["share"]) == (60, 0.75)
    first, second = answer["workers"]
    assert (first["name"], first["images"], first["limiting_stage"]) == ("w", 7, "infer")
    assert (first["images_per_second"], first["bare_images_per_second"], first["share"]) == (60, 80, 0.75)
    assert (first["resident_bytes"], first["device_bytes"], second["resident_bytes"]) == (2**31, None, None)
    assert second["share"] is second["limiting_stage"] is None


def test_a_job_says_how_fast_it_runs(viewer: Api, services: Services, job: str) -> None:
    ended = viewer.get(f"/jobs/{job}").json
    assert ended["images_per_second"] > 0
    assert ended["seconds_left"] is None
    waiting = submit_synthetic(services, SyntheticSpec(5), name="job", submitted_by="ana")
    assert viewer.get(f"/jobs/{waiting}").json["images_per_second"] is None


def test_models(operator: Api, services: Services) -> None:
    registry = ModelRegistry(services.database, services.store)
    model = registry.publish(b"weights", b"{}", name="m", summary={}, by="ana@host")
    assert [found["active"] for found in operator.get("/models").json["models"]] == [False]
    registry.activate(model.sha256, by="ana")
    assert operator.get("/models").json["models"][0]["active"] is True


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (DatabaseFull("no room at db.internal"), "The database has no room. Nothing is lost; free some space there, "),
        (DatabaseUnavailable("no answer of db.internal"), "The database is away. Nothing is lost; try again in a "),
        (StoreFull("no room at db.internal"), "The object store has no room. Nothing is lost; free some space there, "),
        (StoreUnavailable("no answer of db.internal"), "The object store is away. Nothing is lost; try again in a "),
        (BrokerUnavailable("no answer of db.internal"), "The queue is away. Nothing is lost; try again in a "),
    ],
)
def test_what_is_away_or_full_is_named_with_what_to_do(
    operator: Api, services: Services, monkeypatch: pytest.MonkeyPatch, error: Retryable, detail: str
) -> None:
    def fail(*_arguments: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(type(services.repository), "create_job", fail)
    answer = operator.post("/jobs/synthetic", json={"count": 1})
    assert answer.status_code == 503
    assert answer.json["detail"].startswith(detail)
    assert "db.internal" not in answer.text
    assert answer.headers["Retry-After"]


def test_errors_are_problem_details(operator: Api, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = operator.client.get("/api/v1/nope", headers=operator.headers)
    assert (answer.status_code, answer.mimetype, answer.json["status"]) == (404, "application/problem+json", 404)
    assert operator.client.get("/api/v1/jobs/synthetic", headers=operator.headers).status_code in (404, 405)

    def away(*_arguments: object) -> None:
        raise DatabaseUnavailable("no answer from db.internal:5432")

    monkeypatch.setattr(type(services.database), "read", away)
    answer = operator.get("/jobs")
    assert answer.status_code == 503
    assert "db.internal" not in answer.text
