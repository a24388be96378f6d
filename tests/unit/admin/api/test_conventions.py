"""What all answers of the API have: an id, a stable type of problem, an ETag; and the page that describes it."""

import re

from flask import Flask

from admin.web.problems import ProblemKind
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.services import Services
from tests.unit.admin.api.conftest import Api
from tests.unit.admin.conftest import NOTHING


def test_a_problem_has_a_type_and_the_requests_id(app: Flask, operator: Api) -> None:
    kinds = {
        "no-token": app.test_client().get("/api/v1/jobs"),
        "not-found": operator.get(f"/jobs/{NOTHING}"),
        "invalid-values": operator.get("/jobs?limit=0"),
        "wrong-media-type": operator.post("/jobs/synthetic", data="x"),
        "wrong-method": operator.client.open("/api/v1/me", method="PATCH", headers=operator.headers),
    }
    for kind, answer in kinds.items():
        assert answer.json["type"] == f"/api/v1/problems/{kind}"
        assert answer.json["request_id"] == answer.headers["X-Request-ID"]
        shown = app.test_client().get(answer.json["type"])
        assert (shown.status_code, shown.headers["Location"]) == (302, f"/api/v1/docs#problem-{kind}")
    assert app.test_client().get("/api/v1/problems/none").status_code == 404


def test_a_requests_id_is_the_clients_where_it_is_harmless(operator: Api) -> None:
    assert operator.get("/me", headers={"X-Request-ID": "mine-1"}).headers["X-Request-ID"] == "mine-1"
    for unusable in ("a b", "x" * 65, '"', ""):
        given = operator.get("/me", headers={"X-Request-ID": unusable}).headers["X-Request-ID"]
        assert re.fullmatch(r"[0-9a-f-]{36}", given)


def test_what_a_client_has_is_not_sent_again(operator: Api, services: Services) -> None:
    job = submit_synthetic(services, SyntheticSpec(1), name="job", submitted_by="ana")
    for path in (f"/jobs/{job}", "/jobs", f"/jobs/{job}/items", "/me", "/models", "/workers"):
        first = operator.get(path)
        assert first.headers["Cache-Control"] == "private, no-cache"
        again = operator.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
    before = operator.get("/jobs").headers["ETag"]
    submit_synthetic(services, SyntheticSpec(1), name="job", submitted_by="ana")
    assert operator.get("/jobs", headers={"If-None-Match": before}).status_code == 200


def test_the_page_has_every_operation_schema_and_problem(app: Flask, document: dict[str, object]) -> None:
    answer = app.test_client().get("/api/v1/docs")
    assert answer.status_code == 200
    assert "style=" not in answer.text
    assert not re.search(r"<script(?! src=)|<style", answer.text)
    identities = set(re.findall(r'id="([^"]+)"', answer.text))
    for methods in document["paths"].values():
        assert {found["operationId"] for found in methods.values()} <= identities
    assert {f"schema-{name}" for name in document["components"]["schemas"]} <= identities
    assert {f"problem-{kind.value}" for kind in ProblemKind} <= identities
    linked = set(re.findall(r'href="#([^"]+)"', answer.text))
    assert linked - {"main"} <= identities
