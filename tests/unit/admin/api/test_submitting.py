"""Jobs made by the HTTP API: what may be asked for, and what is refused."""

import io
import json
import math
from typing import Any

import numpy as np
import pytest
import tifffile

from shared.jobs.records import Priority, Unfamiliar
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.api.conftest import PNG, Api
from tests.unit.admin.conftest import NOTHING


@pytest.mark.parametrize("policy", [None, *Unfamiliar])
def test_a_job_does_with_the_unfamiliar_what_it_is_told(
    operator: Api, services: Services, policy: Unfamiliar | None
) -> None:
    body = {"images": (io.BytesIO(PNG), "a.png")} | ({} if policy is None else {"unfamiliar": policy.value})
    job = operator.post("/jobs/images", data=body).json
    assert job["unfamiliar"] == services.repository.job(job["id"]).unfamiliar == (policy or Unfamiliar.FLAG)


@pytest.mark.parametrize(("asked", "kept"), [(None, 1.0), ("0.25", 0.25), ("auto", "auto")])
def test_a_job_has_the_scale_it_is_told(operator: Api, asked: str | None, kept: float | str) -> None:
    body = {"images": (io.BytesIO(PNG), "a.png")} | ({} if asked is None else {"scale": asked})
    assert operator.post("/jobs/images", data=body).json["scale"] == kept


def test_pages_and_channels_are_asked_for_by_fields(operator: Api, services: Services) -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, np.arange(5 * 20 * 30, dtype=np.uint16).reshape(5, 20, 30), photometric="minisblack")
    file.seek(0)
    body = {"images": [(file, "s.tif"), (io.BytesIO(PNG), "a.png")], "pages": "2-3", "channel": "1"}
    answer = operator.post("/jobs/images", data=body).json
    assert answer["channel"] == "1"
    items = {item.path: item for item in services.repository.items(answer["id"], limit=10)}
    assert {path: item.error_code for path, item in items.items()} == {
        "s.tif#0002": None,
        "s.tif#0003": None,
        "a.png": "no_such_page",
    }
    page = tifffile.imread(io.BytesIO(services.store.get(items["s.tif#0002"].source_key)))
    assert page[0, 0] == 20 * 30
    for field, value in (("pages", "0"), ("channel", "violet"), ("channel", "99")):
        refused = operator.post("/jobs/images", data={"images": (io.BytesIO(PNG), "a.png"), field: value})
        assert refused.status_code in (400, 422)
        assert refused.json["fields"][0]["field"] == field


def test_predict_takes_pixel_sizes_and_what_is_done_to_masks(operator: Api) -> None:
    asked = {"pixel_size": "0.5 x 0.6 um", "smooth": 2, "fill_holes": True, "min_area": 9, "keep_largest": True}
    told = {"pixel_size": "0.5x0.6um", "postprocessing": "smooth=2 fill-holes min-area=9 keep-largest"}
    image = {"file": (io.BytesIO(PNG), "a.png")}
    answer = operator.post("/predict", data=asked | image, headers={"Prefer": "wait=0"})
    job = operator.get(answer.headers["Location"].removeprefix("/api/v1")).json
    assert {name: job[name] for name in told} == told
    for field, value in (("pixel_size", "0.65"), ("smooth", 21), ("min_area", -1)):
        refused = operator.post("/predict", data={field: value, "file": (io.BytesIO(PNG), "a.png")})
        assert refused.status_code == 422
        assert [each["field"] for each in refused.json["fields"]] == [field]


@pytest.mark.parametrize("asked", ["0", "5", "small"])
def test_another_scale_is_a_field_that_is_wrong(operator: Api, asked: str) -> None:
    answer = operator.post("/jobs/images", data={"images": (io.BytesIO(PNG), "a.png"), "scale": asked})
    assert answer.status_code == 422
    assert {each["field"].split(".")[0] for each in answer.json["fields"]} == {"scale"}


def test_a_synthetic_job_from_start_to_retry(operator: Api, services: Services) -> None:
    answer = operator.post("/jobs/synthetic", json={"count": 3, "name": "mine", "noise": "gaussian"})
    assert answer.status_code == 201
    made = answer.json
    assert answer.headers["Location"] == f"/api/v1/jobs/{made['id']}"
    assert (made["name"], made["submitted_by"], made["counts"]["total"]) == ("mine", "ana (API)", 3)
    assert operator.post(f"/jobs/{made['id']}/retry").status_code == 409
    assert operator.post(f"/jobs/{made['id']}/cancel").json["state"] == "cancelled"
    assert operator.post(f"/jobs/{made['id']}/cancel").status_code == 409
    assert operator.post(f"/jobs/{made['id']}/retry").json["counts"]["pending"] == 3
    assert operator.post(f"/jobs/{NOTHING}/cancel").status_code == 404


@pytest.mark.parametrize("priority", list(Priority))
def test_a_job_has_the_priority_that_it_is_given(operator: Api, services: Services, priority: Priority) -> None:
    generated = operator.post("/jobs/synthetic", json={"count": 1, "priority": priority.word}).json
    parts = {"priority": priority.word, "images": (io.BytesIO(PNG), "a.png")}
    uploaded = operator.post("/jobs/images", data=parts).json
    for made in (generated, uploaded):
        assert made["priority"] == operator.get(f"/jobs/{made['id']}").json["priority"] == priority
        assert services.repository.job(made["id"]).priority == priority


def test_a_priority_is_normal_unless_it_is_given_and_nothing_else_than_a_known_word(
    operator: Api, services: Services, document: dict[str, Any]
) -> None:
    assert operator.post("/jobs/synthetic", json={"count": 1}).json["priority"] == Priority.NORMAL
    assert operator.post("/jobs/images", data={"images": (io.BytesIO(PNG), "a.png")}).json["priority"] == 0
    for wrong in ("urgent", "HIGH", "", 1, None, ["high"], {"high": 1}):
        answer = operator.post("/jobs/synthetic", json={"count": 1, "priority": wrong})
        assert answer.status_code == 422
        assert [found["field"] for found in answer.json["fields"]] == ["priority"]
        assert "low, normal, high" in answer.json["fields"][0]["reason"]
    wrong_part = operator.post("/jobs/images", data={"images": (io.BytesIO(PNG), "a.png"), "priority": "1"})
    assert wrong_part.status_code == 422
    assert len(services.repository.jobs(limit=10)) == 2
    form = document["paths"]["/api/v1/jobs/images"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    for schema in (form, document["components"]["schemas"]["Synthetic"]):
        described = schema["properties"]["priority"]
        assert (described["enum"], described["default"]) == (["low", "normal", "high"], "normal")


@pytest.mark.parametrize(
    "body",
    [{}, {"count": 0}, {"count": 1, "more": 1}, {"count": 1, "noise": "pink"}, {"count": 1, "name": "a\0b"}, [],
     {"count": 1, "jitter": 1e999}, {"count": 1, "jitter": math.nan}, {"count": 1, "severity_to": math.nan},
     {"count": 1, "severity_from": 0.5, "severity_to": 0.1}, {"count": True}, {"count": "2"},
     {"count": 1, "seed": False},
     {"count": 1, "jitter": "0.1"}, {"count": 1, "severity_from": True}, {"count": 1, "definition": "dotblob-v0"},
     {"count": 1, "name": "a\u202eb"}, {"count": 1, "name": "a\x9b"}, {"count": 1, "name": "a\u2028"},
     {"count": 1, "name": " "}, {"count": 1, "seed": 10**310}, {"count": 1, "jitter": 10**310}],
)  # fmt: skip
def test_a_body_that_does_not_fit(operator: Api, body: object) -> None:
    answer = operator.post("/jobs/synthetic", data=json.dumps(body), content_type="application/json")
    assert answer.status_code == 422
    assert answer.json["fields"]


def test_a_body_that_is_no_json(operator: Api) -> None:
    deep = "[" * 100_000
    sent_as_json = [{"data": data, "content_type": "application/json"} for data in ("{", deep, b"\xff", "1" * 5000)]
    for sent in sent_as_json:
        assert operator.post("/jobs/synthetic", **sent).status_code == 422


def test_a_body_of_another_type(operator: Api) -> None:
    urlencoded = {"data": "count=1", "content_type": "application/x-www-form-urlencoded"}
    for sent in (urlencoded, {"data": "{}", "content_type": "text/plain"}, {"data": {"count": "1"}}):
        assert operator.post("/jobs/synthetic", **sent).status_code == 415
    for sent in (urlencoded, {"data": "{}", "content_type": "application/json"}, {"data": "x"}):
        assert operator.post("/jobs/images", **sent).status_code == 415


def test_an_upload_of_nothing_but_too_large_files_is_refused(operator: Api, services: Services) -> None:
    large = bytes(services.settings.max_source_bytes + 1)
    answer = operator.post("/jobs/images", data={"images": (io.BytesIO(large), "a.png")})
    assert answer.status_code == 413
    assert "larger than 262,144 bytes" in answer.json["detail"]
    several = {"images": [(io.BytesIO(large), "a.png"), (io.BytesIO(PNG), "b.png")]}
    assert operator.post("/jobs/images", data=several).status_code == 201


def test_an_upload_whose_names_lead_nowhere(operator: Api, services: Services) -> None:
    names = ["../../etc/passwd.png", "/a/b.png", "C:/x/b.png", "b.png"]
    parts = [(io.BytesIO(PNG), name) for name in names]
    made = operator.post("/jobs/images", data={"name": "up", "images": parts})
    assert made.status_code == 201
    items = operator.get(f"/jobs/{made.json['id']}/items").json["items"]
    assert [item["path"] for item in items] == ["etc/passwd.png", "a/b.png", "x/b.png", "b.png"]
    simulated_worker.process(services, made.json["id"])
    # What somebody uploaded is given back as bytes that no browser shows.
    assert operator.get(f"/items/{items[0]['id']}/files/source").mimetype == "application/octet-stream"


def test_an_upload_without_images_or_with_something_else(operator: Api) -> None:
    for data in ({"name": "up"}, {"images": "text"}, {"other": (io.BytesIO(PNG), "a.png")}):
        assert operator.post("/jobs/images", data=data, content_type="multipart/form-data").status_code == 422


def test_bodies_are_limited(operator: Api) -> None:
    assert operator.post("/jobs/synthetic", data=b" " * (2**20 + 1), content_type="application/json").status_code == 413
    form = "multipart/form-data; boundary=x"
    assert operator.post("/jobs/images", data=bytes(2**22 + 1), content_type=form).status_code == 413
