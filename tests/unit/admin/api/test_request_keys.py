"""Keys that make one job of a request that is sent again."""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from admin.domain import accounts, tokens
from admin.domain.request_keys import RequestKey
from admin.domain.roles import Role
from shared.errors import (
    StoreFull,
)
from shared.services import Services
from tests.unit.admin.api.conftest import PNG, Api


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
