"""The HTTP API; every answer in here is held against the document that the API serves."""

import io
import json
import math
import re
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tifffile
from flask import Flask
from openapi_spec_validator import validate as validate_document
from sqlalchemy import update
from werkzeug.test import TestResponse

from admin.domain import accounts, tokens
from admin.domain.request_keys import RequestKey
from admin.domain.roles import Role
from shared.db.model_registry import ModelRegistry
from shared.db.tables import ItemRow, new_id
from shared.errors import (
    BrokerUnavailable,
    DatabaseFull,
    DatabaseUnavailable,
    Retryable,
    StoreFull,
    StoreUnavailable,
)
from shared.flows.exports.registry import EXPORTS
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.images.codec import encode_mask, encode_probability
from shared.jobs.records import Performance, Priority, Unfamiliar
from shared.objects.table import OBJECT_COLUMNS
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.api.conftest import PNG, Api
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
    assert refused >= 15
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


def test_items_come_in_pages_and_by_state(operator: Api, services: Services, job: str) -> None:
    first = operator.get(f"/jobs/{job}/items?limit=3").json
    second = operator.get(f"/jobs/{job}/items?limit=3&after={first['next']}").json
    assert [item["number"] for item in first["items"] + second["items"]] == [0, 1, 2, 3, 4]
    assert second["next"] is None
    assert operator.get(f"/jobs/{job}/items?state=failed").json["items"] == []
    assert operator.get(f"/jobs/{NOTHING}/items").status_code == 404


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "after=-2", "state=done", "unknown=1", "sort=size", "after=x"]
)
def test_a_query_that_does_not_fit_is_named(operator: Api, job: str, query: str) -> None:
    answer = operator.get(f"/jobs/{job}/items?{query}")
    assert answer.status_code == 422
    assert [found["field"].partition(".")[0] for found in answer.json["fields"]] == [query.partition("=")[0]]


def test_results_that_stand_out_are_marked_and_found(operator: Api, services: Services, job: str) -> None:
    first, second, *_ = services.repository.items(job, limit=9)
    with services.database.write() as connection:
        connection.execute(update(ItemRow).where(ItemRow.id == first.id).values(foreground=0.0, reason="constant"))
        strange = {"familiarity": 0.001, "reason": "unlike_training"}
        connection.execute(update(ItemRow).where(ItemRow.id == second.id).values(**strange))
    empty, unfamiliar = (operator.get(f"/items/{item.id}").json for item in (first, second))
    assert (empty["finding"], empty["marks"], empty["familiarity"]) == ("nothing", ["nothing_found"], None)
    assert (unfamiliar["finding"], unfamiliar["marks"]) == ("found", ["unfamiliar"])
    assert unfamiliar["explanation"].startswith("This picture looks unlike anything")
    with services.database.write() as connection:
        connection.execute(update(ItemRow).where(ItemRow.id == second.id).values(note="pages: first of 3 pages"))
    assert operator.get(f"/items/{second.id}").json["marks"] == ["unfamiliar", "noted"]
    for mark, item in (("nothing_found", first), ("unfamiliar", second), ("noted", second)):
        found = operator.get(f"/jobs/{job}/items?mark={mark}").json
        assert [each["id"] for each in found["items"]] == [item.id]


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


def test_an_item_and_its_files(operator: Api, services: Services, job: str) -> None:
    item = operator.get(f"/jobs/{job}/items?limit=1").json["items"][0]
    assert operator.get(f"/items/{item['id']}").json == item
    assert item["files"] == ["source", "mask", "probability", "truth"]
    stored = services.repository.item(item["id"])
    assert stored is not None
    for name, key in (("mask", stored.mask_key), ("source", stored.source_key)):
        answer = operator.get(f"/items/{item['id']}/files/{name}")
        assert answer.data == services.store.get(key)
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=synthetic-000000")
    assert operator.client.get(f"/api/v1/items/{item['id']}/files/other", headers=operator.headers).status_code == 404
    services.store.delete([stored.mask_key])
    assert operator.get(f"/items/{item['id']}/files/mask").status_code == 404
    assert operator.get(f"/items/{NOTHING}").status_code == 404


def test_the_objects_of_an_item_come_in_pages(
    operator: Api, services: Services, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [item] = services.repository.items(job, limit=1)
    mask = np.zeros((64, 80), dtype=bool)
    mask[4:10, 5:25] = mask[30:40, 30:36] = mask[60:, 70:] = True
    services.store.put(item.mask_key or "", encode_mask(mask))
    services.store.put(item.probability_key or "", encode_probability(np.where(mask, 255, 0).astype(np.uint8)))
    told = operator.get(f"/items/{item.id}/objects").json
    assert (told["total"], [each["area_px"] for each in told["objects"]]) == (3, [120, 60, 40])
    assert [each["touches_border"] for each in told["objects"]] == [False, False, True]
    assert list(told["objects"][0]) == list(OBJECT_COLUMNS)
    page = operator.get(f"/items/{item.id}/objects?limit=1&after=1").json
    assert (page["total"], page["objects"]) == (3, told["objects"][1:2])
    monkeypatch.setattr("admin.api.items.MAX_PIXELS_OF_OBJECTS", 9)
    assert "objects-csv" in operator.get(f"/items/{item.id}/objects").json["detail"]


def test_a_file_is_saved_under_a_name_that_any_system_takes(operator: Api, services: Services, job: str) -> None:
    item = services.repository.items(job, limit=1)[0]
    for path, name in (
        ("a/ünï: scan?.tif", "filename=\"_n__ scan_-mask.png\"; filename*=UTF-8''%C3%BCn%C3%AF_%20scan_-mask.png"),
        ("con.x.png", "filename=_con.x-mask.png"),
        ("x" * 300 + ".png", "~"),
    ):
        with services.database.write() as connection:
            connection.execute(update(ItemRow).where(ItemRow.id == item.id).values(path=path))
        assert name in operator.get(f"/items/{item.id}/files/mask").headers["Content-Disposition"]


def test_a_file_that_was_cut_goes_on(operator: Api, services: Services, job: str) -> None:
    item = services.repository.items(job, limit=1)[0]
    address = f"/items/{item.id}/files/mask"
    whole = operator.get(address)
    etag, length = whole.headers["ETag"], len(whole.data)
    assert (whole.headers["Accept-Ranges"], whole.headers["Content-Length"]) == ("bytes", str(length))

    def part(of: str, **more: str) -> tuple[int, bytes, str | None]:
        answer = operator.get(address, headers={"Range": of} | {n.replace("_", "-"): v for n, v in more.items()})
        return answer.status_code, answer.data, answer.headers.get("Content-Range")

    assert part("bytes=0-99") == (206, whole.data[:100], f"bytes 0-99/{length}")
    assert part("bytes=100-") == (206, whole.data[100:], f"bytes 100-{length - 1}/{length}")
    assert part("bytes=-10") == (206, whole.data[-10:], f"bytes {length - 10}-{length - 1}/{length}")
    assert part("bytes=100-", If_Range=etag) == (206, whole.data[100:], f"bytes 100-{length - 1}/{length}")
    assert part(f"bytes={length}-")[::2] == (416, f"bytes */{length}")
    assert operator.get(address, headers={"If-None-Match": etag}).status_code == 304
    # Segmented again: what is left of the old one fits no more.
    with services.database.write() as connection:
        connection.execute(update(ItemRow).where(ItemRow.id == item.id).values(finished_at=item.finished_at + 1))
    assert part("bytes=100-", If_Range=etag) == (200, whole.data, None)
    assert operator.get(address).headers["ETag"] != etag


def test_results_as_a_zip(operator: Api, job: str) -> None:
    assert operator.get(f"/jobs/{job}/results.zip", headers={"Range": "bytes=5-"}).status_code == 200
    assert operator.get(f"/jobs/{job}/results.zip").headers["Accept-Ranges"] == "none"
    with zipfile.ZipFile(io.BytesIO(operator.get(f"/jobs/{job}/results.zip").data)) as archive:
        assert "results.csv" in archive.namelist()


def test_the_formats_of_results_are_an_enum(operator: Api, job: str) -> None:
    declared = operator.document["paths"]["/api/v1/jobs/{job_id}/results.zip"]["get"]["parameters"]
    [parameter] = [parameter for parameter in declared if parameter["name"] == "format"]
    assert (parameter["in"], parameter["required"]) == ("query", False)
    assert parameter["schema"]["enum"] == list(EXPORTS)
    assert parameter["schema"]["default"] == "results"
    for name, export in EXPORTS.items():
        assert f"`{name}`: {export.description}." in parameter["schema"]["description"]
        assert operator.get(f"/jobs/{job}/results.zip?format={name}").status_code == 200
    refused = operator.get(f"/jobs/{job}/results.zip?format=tiff")
    assert refused.status_code == 422
    [field] = refused.json["fields"]
    assert field["field"] == "format"
    assert f"there is no export 'tiff': choose one of {', '.join(EXPORTS)}" in field["reason"]


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


def test_a_page_after_what_is_no_id(operator: Api) -> None:
    for cursor in ("x", "a%00", f"{NOTHING}x"):
        assert operator.get(f"/jobs?before={cursor}").json["fields"][0]["field"] == "before"


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


def test_a_key_makes_one_job_of_however_many_requests(
    operator: Api, app: Flask, services: Services, document: dict[str, Any]
) -> None:
    key = {"Idempotency-Key": "0190-1"}
    made = [operator.post("/jobs/synthetic", json={"count": 1}, headers=key) for _ in range(3)]
    assert {answer.status_code for answer in made} == {201}
    assert len({answer.json["id"] for answer in made}) == 1
    uploads = [operator.post("/jobs/images", data={"images": (io.BytesIO(PNG), "a.png")}, headers=key) for _ in (1, 2)]
    assert uploads[0].json["id"] == uploads[1].json["id"] != made[0].json["id"]
    assert len(services.repository.jobs(limit=10)) == 2
    assert [answer.headers.get("Idempotency-Replayed") for answer in made] == [None, "true", "true"]
    changed = (
        operator.post("/jobs/synthetic", json={"count": 2}, headers=key),
        operator.post("/jobs/images", data={"images": (io.BytesIO(PNG + b"x"), "a.png")}, headers=key),
        operator.post("/jobs/images", data={"images": (io.BytesIO(PNG), "a.png"), "name": "n"}, headers=key),
    )
    assert {(answer.status_code, answer.json["type"]) for answer in changed} == {(422, "/api/v1/problems/key-reused")}
    assert len(services.repository.jobs(limit=10)) == 2
    accounts.add(services.database, "op", "words that op knows", Role.OPERATOR)
    other = Api(app.test_client(), document, tokens.create(services.database, "op", "script", Role.OPERATOR))
    assert other.post("/jobs/synthetic", json={"count": 1}, headers=key).json["id"] != made[0].json["id"]
    for wrong in ("", "x" * 256, "a b", "ü"):
        assert (
            operator.post("/jobs/synthetic", json={"count": 1}, headers={"Idempotency-Key": wrong}).status_code == 422
        )


def test_a_key_is_free_again_where_no_job_came_of_it(
    operator: Api, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_more: object) -> None:
        raise StoreFull("no room")

    key = {"Idempotency-Key": "1"}
    with monkeypatch.context() as patched:
        patched.setattr(
            type(services.repository), "create_job", lambda *_a, **_k: (_ for _ in ()).throw(StoreFull("x"))
        )
        assert operator.post("/jobs/synthetic", json={"count": 1}, headers=key).status_code == 503
    assert operator.post("/jobs/synthetic", json={"count": 1}, headers=key).status_code == 201


def test_requests_with_one_key_at_once_are_one_job(
    operator: Api, app: Flask, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(_number: int) -> TestResponse:
        headers = operator.headers | {"Idempotency-Key": "at-once"}
        return app.test_client().post("/api/v1/jobs/synthetic", json={"count": 1}, headers=headers)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len(services.repository.jobs(limit=10)) == 1
    monkeypatch.setattr("admin.web.once._WAITED_SECONDS", 0)
    key = RequestKey(services.database, account="ana", kind="synthetic", key="in-work")
    assert key.claim()
    answer = operator.post("/jobs/synthetic", json={"count": 1}, headers={"Idempotency-Key": "in-work"})
    assert answer.status_code == 409
    assert answer.headers["Retry-After"]


def test_an_upload_of_nothing_but_too_large_files_is_refused(operator: Api, services: Services) -> None:
    large = bytes(services.settings.max_source_bytes + 1)
    answer = operator.post("/jobs/images", data={"images": (io.BytesIO(large), "a.png")})
    assert answer.status_code == 413
    assert "larger than 262,144 bytes" in answer.json["detail"]
    several = {"images": [(io.BytesIO(large), "a.png"), (io.BytesIO(PNG), "b.png")]}
    assert operator.post("/jobs/images", data=several).status_code == 201


def test_the_document_says_what_is_checked(document: dict[str, Any]) -> None:
    properties = document["components"]["schemas"]["Synthetic"]["properties"]
    assert "gaussian" in properties["noise"]["anyOf"][0]["enum"]
    assert "dotblob-v1" in properties["definition"]["enum"]
    form = document["paths"]["/api/v1/jobs/images"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert (form["properties"]["images"]["minItems"], form["properties"]["images"]["maxItems"]) == (1, 500)
    for path in ("/api/v1/jobs/images", "/api/v1/jobs/synthetic"):
        [key] = [found for found in document["paths"][path]["post"]["parameters"] if found["name"] == "Idempotency-Key"]
        assert key["in"] == "header"


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


def test_workers_and_how_fast_they_run(viewer: Api, services: Services) -> None:
    assert viewer.get("/workers").json == {
        "workers": [],
        "quiet_seconds": None,
        "images_per_second": None,
        "share": None,
    }
    services.workers.report(
        new_id(), name="w", device="cpu", model="ab" * 32, images=7, performance=Performance(60.0, 80.0, "infer")
    )
    services.workers.report(new_id(), name="new", device="cpu", model="ab" * 32, images=0)
    answer = viewer.get("/workers").json
    assert (answer["images_per_second"], answer["share"]) == (60, 0.75)
    first, second = answer["workers"]
    assert (first["name"], first["images"], first["limiting_stage"]) == ("w", 7, "infer")
    assert (first["images_per_second"], first["bare_images_per_second"], first["share"]) == (60, 80, 0.75)
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
