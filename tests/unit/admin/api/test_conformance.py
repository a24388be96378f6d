"""Every operation of the document, with input that fits and input that does not: no defect, no status it does not name.

`Api.send` holds each answer against the document. Every operation has to succeed at least once, so that a new one
whose good input is not known here fails.
"""

import io
import json
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any
from uuid import uuid4

import pytest

from shared.config import Settings
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.state import JobKind
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.api.conftest import PNG, Api, reading, working
from tests.unit.store.fake_s3 import FakeS3

JUNK: tuple[Any, ...] = (None, True, -1, 1e400, "", "\0\u202e", "x" * 3000, [], [None], {"a": 1}, "9" * 400)
QUERY_JUNK = ("", "-1", "NaN", "\0", "x" * 300, "2024-13-45", "a,b", "9" * 400)
BODIES_THAT_ARE_NONE = (b"", b"[]", b"nul", b"\xff\xfe", b"[" * 5000, b'{"a": ' + b"1" * 5000 + b"}")
ORDER = {"GET": 0, "PUT": 1, "POST": 2, "DELETE": 3}

# Bodies that do something; of all else the document's required fields are enough.
BODIES: dict[str, dict[str, Any]] = {
    "ask_bulk_action": {"action": "retry", "filter": {}},
    "submit_generated": {"count": 1},
    "add_webhook": {"url": "https://93.184.215.14/hook"},
    "put_grade": {"grade": "accepted"},
    "known_images": {"paths": ["a.png"]},
    "find_submissions": {"key": "mine"},
    "add_objects": {"address": "s3://lab/plates"},
    "change_submission": {"awaited": True},
}
FORMS: dict[str, dict[str, Any]] = {"add_to_job": {"pages": "all", "replace": "true"}, "predict": {"scale": "auto"}}


@pytest.fixture
def settings(settings: Settings, s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> Settings:
    return reading(settings, s3, monkeypatch)


class World:
    """What there is to ask for, by the names of the document's parameters."""

    def __init__(self, services: Services, api: Api) -> None:
        self.services = services
        self.done = submit_synthetic(services, SyntheticSpec(2), name="done", submitted_by="ana")
        simulated_worker.process(services, self.done)
        [found, *_] = services.repository.items(self.done, limit=1)
        self.api, self.item, self.mask = api, found.id, services.store.get(found.mask_key or "")
        self.webhook = self.made("/webhooks", "add_webhook")
        api.post(f"/webhooks/{self.webhook}/test")
        self.delivery = api.get(f"/webhooks/{self.webhook}/deliveries").json["deliveries"][0]["id"]
        self.bulk = self.made("/bulk-actions", "ask_bulk_action")

    def made(self, path: str, operation: str) -> str:
        return self.api.post(path, json=BODIES[operation]).json["id"]

    def path_values(self, operation: str) -> dict[str, str]:
        job = self.done
        if operation in ("discard_job", "add_to_job", "add_objects", "seal_job", "change_submission", "cancel_job"):
            job = self.services.repository.create_job(JobKind.IMAGES, name="open", submitted_by="ana")
        if operation == "retry_job":
            job = submit_synthetic(self.services, SyntheticSpec(1), name="cancelled", submitted_by="ana")
            self.services.repository.cancel(job)
            simulated_worker.process(self.services, job)
        if operation == "remove_webhook":
            self.webhook = self.made("/webhooks", "add_webhook")
        if operation == "abort_bulk_action":
            self.bulk = self.made("/bulk-actions", "ask_bulk_action")
        if operation == "delete_correction":
            form = {"mask": (io.BytesIO(self.mask), "a.png")}
            self.api.send("PUT", f"/jobs/{job}/items/{self.item}/correction", data=form)
        return {
            "job_id": job,
            "item_id": self.item,
            "file": "mask",
            "bulk_id": self.bulk,
            "webhook_id": self.webhook,
            "delivery_id": self.delivery,
        }


@pytest.fixture
def world(services: Services, operator: Api) -> World:
    return World(services, operator)


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    found = [
        (method.upper(), path.removeprefix("/api/v1"), operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return sorted(found, key=lambda one: ORDER[one[0]])


def good(operation: dict[str, Any], mask: bytes = b"") -> dict[str, Any]:
    """A body that fits, as options of the client."""
    name, content = operation["operationId"], operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        return {"json": BODIES.get(name, {})}
    if "multipart/form-data" in content:
        required = content["multipart/form-data"]["schema"]["required"][-1]
        file = mask if required == "mask" else PNG
        return {"data": FORMS.get(name, {}) | {required: (io.BytesIO(file), "a.png")}}
    return {}


def junk(operation: dict[str, Any], document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Input that mostly does not fit, as options of the client."""
    # Each field gets some of the values, the next field the next ones.
    texts, values = cycle(QUERY_JUNK), cycle(JUNK)
    for parameter in operation["parameters"]:
        if parameter["in"] == "query":
            yield from ({"query_string": {parameter["name"]: text}} for text in islice(texts, 2))
        elif parameter["in"] == "header":
            yield from ({"headers": {parameter["name"]: value}} | good(operation) for value in ("x" * 999, "wait=-1"))
    yield {"query_string": {"nobody-knows": "1"}} | good(operation)
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        for body in BODIES_THAT_ARE_NONE:
            yield {"data": body, "content_type": "application/json"}
        yield {"data": b"{}", "content_type": "text/plain"}
        schema = content["application/json"]["schema"]
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        for field in [*schema["properties"], "nobody-knows"]:
            for value in islice(values, 4):
                # As text, since numbers of more than a double has are none of Python's JSON.
                yield {"data": json.dumps(good(operation)["json"] | {field: value}), "content_type": "application/json"}
    elif content:
        yield {"data": b"--x", "content_type": "multipart/form-data; boundary=x"}
        yield {"json": {}}
        yield {"data": {}, "content_type": "multipart/form-data"}
        for field in [*content["multipart/form-data"]["schema"]["properties"], "nobody-knows"]:
            for value in islice(texts, 3):
                # In place of the file too, where it is the field.
                yield {"data": good(operation)["data"] | {field: value}}


def test_every_operation_does_what_the_document_says(
    world: World, operator: Api, viewer: Api, services: Services, document: dict[str, Any]
) -> None:
    succeeded, seen = set(), set()
    with working(services):
        for method, path, operation in operations(document):
            name = operation["operationId"]

            def send(api: Api, address: str, options: dict[str, Any], method: str = method, name: str = name) -> int:
                answer = api.send(method, address, **options)
                assert answer.status_code < 500, (name, options, answer.text)
                seen.add((name, answer.status_code))
                return answer.status_code

            address = path.format(**world.path_values(name))
            for options in junk(operation, document):
                send(operator, address, options)
            nowhere = path.format_map({key: str(uuid4()) for key in world.path_values("")})
            if nowhere != path:
                assert send(operator, nowhere, good(operation)) == 404, name
            allowed = send(viewer, path.format(**world.path_values(name)), good(operation))
            assert (allowed == 403) == ("403" in operation["responses"]), name
            if send(operator, path.format(**world.path_values(name)), good(operation, world.mask)) < 400:
                succeeded.add(name)
            stranger = operator.client.open(f"/api/v1{address}", method=method, **good(operation))
            assert stranger.status_code == 401, name
    assert succeeded == {operation["operationId"] for _, _, operation in operations(document)}
    assert {status for _, status in seen} >= {200, 201, 202, 204, 403, 404, 415, 422}
