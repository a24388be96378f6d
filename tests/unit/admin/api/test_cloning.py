"""A job over the inputs of another, asked for by a program."""

import io

from shared.services import Services
from tests.unit.admin.api.conftest import PNG, Api


def test_what_a_clone_is_not_asked_for_is_as_in_the_first(operator: Api, services: Services) -> None:
    sent = {"images": (io.BytesIO(PNG), "a.png"), "threshold": "0.25", "scale": "auto", "smooth": "2", "name": "n"}
    first = operator.post("/jobs/images", data=sent).json
    key = {"Idempotency-Key": "once"}
    same, again = (operator.post(f"/jobs/{first['id']}/clone", json={}, headers=key) for _ in (1, 2))
    assert (same.status_code, same.headers["Location"]) == (201, f"/api/v1/jobs/{same.json['id']}")
    assert again.json["id"] == same.json["id"]
    names = ("threshold", "scale", "postprocessing", "model", "kind")
    assert [same.json[name] for name in names] == [first[name] for name in names]
    assert (same.json["name"], same.json["inputs_of"], first["inputs_of"]) == ("n, again", first["id"], None)
    asked = {"threshold": None, "scale": 0.5, "name": "half"}
    other = operator.post(f"/jobs/{first['id']}/clone", json=asked).json
    assert {name: other[name] for name in asked} == asked
    [item], [its] = (services.repository.items(each["id"], limit=2) for each in (first, other))
    assert its.source_key == item.source_key


def test_what_cannot_be_cloned_is_refused_with_its_reason(operator: Api, job: str) -> None:
    assert operator.post(f"/jobs/{job}/clone", json={"model": "none such"}).status_code == 422
    assert operator.post(f"/jobs/{job}/clone", json={"scale": 0}).status_code == 422
    begun = operator.post("/jobs", json={"name": "open"}).json["id"]
    refused = operator.post(f"/jobs/{begun}/clone", json={})
    assert refused.status_code == 409
    assert "clone it once all of them are there" in refused.json["detail"]
