"""The API against its document, with values that nobody thought of: what it allows is taken, all else refused.

In CI the examples are the same in every run; there are so many that it takes some seconds.
"""

from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from admin.domain import tokens
from admin.domain.roles import Role
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.services import Services

EXAMPLES = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
ANY_NUMBER = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 20).map(float),
    st.sampled_from([0, 1, 10_000, 10_001, 2**53 - 1, 2**53, 10**310, -1, 0.5, 1.0]),
)  # fmt: skip
JUNK = st.one_of(
    st.none(), st.booleans(), ANY_NUMBER, ANY_NUMBER.map(str), st.text(max_size=210),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
TEXTS = st.one_of(
    st.text(min_size=1, max_size=30), st.text(" \t\u00a0\u3000", min_size=1, max_size=3),
    st.text("a\u202e\u2028\x9b\x00\u061c", min_size=1, max_size=4),
)  # fmt: skip


@pytest.fixture
def client(app: Flask, services: Services) -> FlaskClient:
    client = app.test_client()
    token = tokens.create(services.database, "ana", "script", Role.OPERATOR)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def value_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of which many fit."""
    if "anyOf" in schema:
        return st.one_of(*map(value_of, schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "integer":
            return st.integers(schema.get("minimum", -5), schema.get("maximum", 5))
        case "number":
            return st.floats(schema.get("minimum", -5), schema.get("maximum", 5))
        case "null":
            return st.none()
    return TEXTS


def bodies_of(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {
        name: st.one_of(value_of(of), value_of(of), value_of(of), JUNK) for name, of in schema["properties"].items()
    }
    required = {name: fields.pop(name) for name in schema.get("required", [])}
    return st.fixed_dictionaries(required, optional=fields | {"unknown": JUNK})


def test_a_body_is_taken_exactly_if_the_document_allows_it(
    client: FlaskClient, services: Services, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = submit_synthetic(services, SyntheticSpec(1), name="job", submitted_by="ana")
    monkeypatch.setattr("admin.api.jobs.submit_synthetic", lambda *_arguments, **_more: made)
    schema = document["components"]["schemas"]["Synthetic"]
    validator = Draft202012Validator(schema | {"components": document["components"]})
    problem = Draft202012Validator(
        document["components"]["schemas"]["Problem"] | {"components": document["components"]}
    )
    seen = set()

    @EXAMPLES
    @given(bodies_of(schema))
    def check(body: dict[str, Any]) -> None:
        rises = (
            validator.is_valid(body)
            and body.get("severity_from", 0) <= body.get("severity_to", 1)
            and body.get("model") is None  # none is published that a text could name
        )
        answer = client.post("/api/v1/jobs/synthetic", json=body)
        seen.add(answer.status_code)
        assert answer.status_code == (201 if rises else 422), answer.text
        if not rises:
            problem.validate(answer.json)
            assert answer.json["fields"]

    check()
    assert seen == {201, 422}


def test_no_query_breaks_a_list(client: FlaskClient, services: Services, document: dict[str, Any]) -> None:
    job = submit_synthetic(services, SyntheticSpec(2), name="job", submitted_by="ana")
    [item] = services.repository.items(job, limit=1)
    lists = {path: found["get"] for path, found in document["paths"].items() if "get" in found}
    del lists["/api/v1/demo"]  # makes a job and waits for it
    with_query = {
        path: {of["name"]: of["schema"] for of in found["parameters"] if of["in"] == "query"}
        for path, found in lists.items()
        if any(of["in"] == "query" for of in found["parameters"])
    }
    assert {path.rpartition("/")[2] for path in with_query} == {
        "jobs", "items", "objects", "results.zip", "events", "bulk-actions", "deliveries"
    }  # fmt: skip

    @EXAMPLES
    @given(st.data())
    def check(data: st.DataObject) -> None:
        path, parameters = data.draw(st.sampled_from(sorted(with_query.items())))
        fields = {name: st.one_of(value_of(of), JUNK) for name, of in parameters.items()}
        query = data.draw(st.fixed_dictionaries({}, optional=fields | {"unknown": JUNK}))
        answer = client.get(path.format(job_id=job, item_id=item.id, webhook_id=job), query_string=query, buffered=True)
        assert str(answer.status_code) in lists[path]["responses"], answer.text
        assert answer.status_code < 500

    check()


def test_no_address_is_a_defect(client: FlaskClient) -> None:
    parts = st.one_of(
        st.sampled_from(["jobs", "items", "files", "results.zip", "..", "%00", "%ff"]), st.text(max_size=9)
    )

    @EXAMPLES
    @given(st.lists(parts, max_size=4), st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]))
    def check(address: list[str], method: str) -> None:
        answer = client.open("/api/v1/" + "/".join(map(quote, address)), method=method, buffered=True)
        assert answer.status_code < 500
        assert answer.status_code in (200, 308) or method == "HEAD" or answer.mimetype == "application/problem+json"

    check()
