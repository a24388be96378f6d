"""Grades by the HTTP API; every answer is held against the document, as in test_api."""

import csv
import io
import zipfile

import pytest
from flask import Flask

from admin.domain import accounts, tokens
from admin.domain.roles import Role
from admin.web.guard.auth import FOR_REVIEWERS
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.records import Item
from shared.services import Services
from tests.unit.admin.api.conftest import Api, ApiOf
from tests.unit.admin.conftest import NOTHING


def address(item: Item) -> str:
    return f"/jobs/{item.job_id}/items/{item.id}/grade"


def test_grades_are_in_the_api_and_in_the_table(kim: Api, items: list[Item]) -> None:
    first, second = items
    graded = kim.send("PUT", address(first), json={"grade": "rejected", "note": "=a hole"}).json
    assert (graded["grade"], graded["note"], graded["graded_by"]) == ("rejected", "=a hole", "kim")
    assert graded["replaced"] is None
    assert kim.get(address(second)).json["history"] == []

    item = kim.get(f"/items/{first.id}").json
    assert (item["grade"], item["grade_note"], item["graded_by"]) == ("rejected", "=a hole", "kim")
    assert item["graded_at"] == graded["graded_at"]

    archive = zipfile.ZipFile(io.BytesIO(kim.get(f"/jobs/{first.job_id}/results.zip").data))
    rows = list(csv.DictReader(archive.read("results.csv").decode().splitlines()))
    assert [row["grade"] for row in rows] == ["rejected", ""]
    assert (rows[0]["grade_note"], rows[0]["graded_by"]) == ("'=a hole", "kim")
    assert rows[0]["graded_at"].endswith("+00:00")


def test_who_replaces_anothers_grade_is_told(api_of: ApiOf, kim: Api, items: list[Item]) -> None:
    lee = api_of("lee", Role.OPERATOR)
    lee.send("PUT", address(items[0]), json={"grade": "accepted"})
    graded = kim.send("PUT", address(items[0]), json={"grade": "unsure"}).json
    assert (graded["replaced"]["by"], graded["replaced"]["grade"]) == ("lee", "accepted")
    assert [step["by"] for step in graded["history"]] == ["lee", "kim"]
    assert kim.send("PUT", address(items[0]), json={"grade": None}).json["grade"] is None
    assert kim.get(address(items[0])).json["replaced"] is None


@pytest.mark.parametrize(
    "body", [{}, {"grade": "good"}, {"grade": "accepted", "note": "x" * 1001}, {"grade": "unsure", "note": "\0"}]
)
def test_what_is_no_grade_is_named(kim: Api, items: list[Item], body: dict[str, str]) -> None:
    assert kim.send("PUT", address(items[0]), json=body).status_code == 422


def test_what_is_not_there_is_not_graded(services: Services, kim: Api, items: list[Item]) -> None:
    other = submit_synthetic(services, SyntheticSpec(1), name="other", submitted_by="ana")
    waiting = services.repository.items(other, limit=1)[0]
    accepted = {"grade": "accepted"}
    assert kim.send("PUT", address(waiting), json=accepted).status_code == 409
    for path in (f"/jobs/{other}/items/{items[0].id}/grade", f"/jobs/{NOTHING}/items/{items[0].id}/grade"):
        assert kim.send("PUT", path, json=accepted).status_code == 404
        assert kim.get(path).status_code == 404


def test_a_reviewer_changes_grades_and_corrections_alone(app: Flask, kim: Api) -> None:
    allowed = set()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.document":
            path = rule.build({name: NOTHING for name in rule.arguments if name != "file"} | {"file": "mask"})[1]
            for method in rule.methods - {"GET", "HEAD", "OPTIONS"}:
                if kim.client.open(path, method=method, headers=kim.headers).status_code != 403:
                    allowed.add(rule.endpoint)
    assert allowed == {endpoint for endpoint in FOR_REVIEWERS if endpoint.startswith("api.")}
    for path in kim.document["paths"].values():
        for method, found in path.items():
            may = f"api.{found['operationId']}" in FOR_REVIEWERS
            assert ("Needs the role reviewer" in found["description"]) is may, (method, found["operationId"])


def test_an_accounts_token_may_no_more_than_it(services: Services, kim: Api) -> None:
    assert kim.get("/me").json["role"] == "reviewer"
    with pytest.raises(Exception, match="a reviewer's tokens may do no more than it may"):
        tokens.create(services.database, "kim", "more", Role.OPERATOR)
    accounts.set_role(services.database, "kim", Role.VIEWER)
    assert kim.get("/me").json["role"] == "viewer"
