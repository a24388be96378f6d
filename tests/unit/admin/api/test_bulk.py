"""Actions on many jobs by the HTTP API; every answer is held against the document, as in test_api."""

import pytest

from shared.db.tables.base import new_id
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.services import Services
from shared.upkeep.bulk import BulkRunner
from tests.unit.admin.api.conftest import Api
from tests.unit.admin.made_jobs import mixed


def test_an_action_is_asked_for_followed_and_aborted(operator: Api, services: Services) -> None:
    jobs = [submit_synthetic(services, SyntheticSpec(1), name="job", submitted_by="bea (web)") for _ in range(2)]
    body = {"action": "priority", "priority": "high", "filter": {"owner": "bea", "states": ["queued"]}}
    answer = operator.post("/bulk-actions", json=body)
    assert answer.status_code == 202
    made = answer.json
    assert (made["state"], made["matched"], made["created_by"]) == ("waiting", 2, "ana")
    assert answer.headers["Location"] == f"/api/v1/bulk-actions/{made['id']}"
    BulkRunner(services.repository).round()
    found = operator.get(f"/bulk-actions/{made['id']}").json
    assert (found["state"], found["jobs_done"], found["priority"]) == ("done", 2, "high")
    assert {operator.get(f"/jobs/{job}").json["priority"] for job in jobs} == {1}
    assert operator.post(f"/bulk-actions/{made['id']}/abort").status_code == 409
    waiting = operator.post("/bulk-actions", json={"action": "cancel", "jobs": jobs}).json
    assert operator.post(f"/bulk-actions/{waiting['id']}/abort").json["abort_requested"] is True
    listed = operator.get("/bulk-actions?limit=1").json
    assert [action["id"] for action in listed["bulk_actions"]] == [waiting["id"]]
    assert operator.get(f"/bulk-actions?before={listed['next']}").json["bulk_actions"] == [found]
    kinds = [event["kind"] for event in operator.get(f"/events?job_id={jobs[0]}").json["events"]]
    assert kinds == ["priority_changed", "submitted"]


def test_jobs_are_cloned(operator: Api, services: Services) -> None:
    job = mixed(services)
    body = {"action": "clone", "jobs": [job], "changes": {"threshold": 0.25, "scale": "auto", "model": None}}
    made = operator.post("/bulk-actions", json=body).json
    assert made["changes"] == {"threshold": 0.25, "scale": 0, "model": None}
    BulkRunner(services.repository).round()
    assert operator.get(f"/bulk-actions/{made['id']}").json["jobs_done"] == 1
    [clone] = [found for found in operator.get("/jobs").json["jobs"] if found["inputs_of"] == job]
    assert (clone["threshold"], clone["scale"], clone["submitted_by"]) == (0.25, "auto", "ana (API)")


@pytest.mark.parametrize(
    "body",
    [
        {}, {"action": "explode", "filter": {}}, {"action": "cancel"}, {"action": "cancel", "jobs": []},
        {"action": "cancel", "jobs": ["x"]}, {"action": "cancel", "jobs": [new_id()], "filter": {}},
        {"action": "priority", "filter": {}}, {"action": "cancel", "filter": {}, "codes": ["truncated"]},
        {"action": "retry", "filter": {}, "codes": ["bad luck"]}, {"action": "retry", "filter": {"colour": "red"}},
        {"action": "cancel", "filter": {}, "changes": {}}, {"action": "clone", "filter": {}, "changes": {"scale": 9}},
        {"action": "clone", "filter": {}, "changes": {"model": "none such"}},
        {"action": "retry", "filter": {"text": "a\0"}}, {"action": "retry", "filter": {"model": "xyz"}},
    ],
)  # fmt: skip
def test_what_is_no_action_is_refused_with_a_line(operator: Api, body: dict[str, object]) -> None:
    answer = operator.post("/bulk-actions", json=body)
    assert answer.status_code == 422
    assert answer.json["fields"]


def test_one_cause_of_one_job_is_retried(operator: Api, services: Services) -> None:
    job = mixed(services)
    counts = operator.post(f"/jobs/{job}/retry?codes=not_an_image").json["counts"]
    assert (counts["pending"], counts["failed"]) == (1, 2)
    assert operator.post(f"/jobs/{job}/retry?codes=bad,luck").status_code == 422


def test_what_is_not_there(operator: Api) -> None:
    assert operator.get(f"/bulk-actions/{new_id()}").status_code == 404
    assert operator.post(f"/bulk-actions/{new_id()}/abort").status_code == 404
