"""A client that believes no answer that the document does not announce, and somebody who does the work."""

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from admin.domain import accounts, tokens
from admin.domain.roles import Role
from delineate_client import Client
from producer.cli import main
from shared.config import Settings
from shared.db.tables.base import new_id
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.records import Item
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.serving.conftest import served
from tests.unit.store.fake_s3 import FakeS3, fake_s3

Producer = Callable[..., Result]

GREY = simulated_worker.synthesise(1, size=64).image
PNG = simulated_worker.encode_grey(GREY)


_ENTRY = (
    "<Contents><Key>{}</Key><LastModified>2026-01-01T00:00:00Z</LastModified>"
    "<ETag>&quot;1&quot;</ETag><Size>{}</Size></Contents>"
)


class Api:
    """A client that shows a token and believes no answer that the document does not announce."""

    def __init__(self, client: FlaskClient, document: dict[str, Any], token: str) -> None:
        self.client = client
        self.document = document
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.send("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.send("POST", path, **options)

    def send(self, method: str, path: str, **options: Any) -> TestResponse:
        answer = self.client.open(
            f"/api/v1{path}", method=method, headers=self.headers | options.pop("headers", {}), buffered=True, **options
        )
        self.hold_against_the_document(answer, method, f"/api/v1{path.partition('?')[0]}")
        return answer

    def hold_against_the_document(self, answer: TestResponse, method: str, path: str) -> None:
        patterns = {re.sub(r"\{\w+\}", "[^/]+", template): template for template in self.document["paths"]}
        # Without a parameter first: /jobs/images is no job.
        fitting = [template for pattern, template in patterns.items() if re.fullmatch(pattern, path)]
        template = max(fitting, key=lambda found: "{" not in found)
        declared = self.document["paths"][template][method.lower()]["responses"]
        assert str(answer.status_code) in declared, (answer.status_code, answer.text)
        content = declared[str(answer.status_code)].get("content")
        if content is None:
            return
        assert answer.mimetype in content
        schema = content[answer.mimetype].get("schema")
        if schema is not None:
            schema = schema | {"components": self.document["components"]}
            Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(answer.json)


@pytest.fixture
def s3() -> Iterator[FakeS3]:
    """A stand-in for an S3 server, which lists two images and two objects that are none."""
    with fake_s3() as fake:
        entries = [("plates/a.png", 9), ("plates/huge.tif", 2**30), ("plates/notes.txt", 1), ("plates/..", 1)]
        listed = "".join(_ENTRY.format(*entry) for entry in entries)
        fake.serve(f"<?xml version='1.0'?><ListBucketResult>{listed}</ListBucketResult>".encode())
        yield fake


def reading(settings: Settings, s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings by which what lies in `s3://lab/plates` on that server may be read."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return settings.model_copy(update={"source_buckets": "s3://lab/plates", "s3_endpoint_url": s3.url})


@pytest.fixture(scope="session")
def documents() -> dict[str, Any]:
    """The document, once a test has asked for it: it takes a while to draw, and every app draws the same."""
    return {}


@pytest.fixture
def document(app: Flask, documents: dict[str, Any]) -> dict[str, Any]:
    """The document that the API serves; tests read it alone."""
    if not documents:
        documents.update(app.test_client().get("/api/v1/openapi.json").json)
    return documents


ApiOf = Callable[[str, Role], Api]


@pytest.fixture
def api_of(app: Flask, services: Services, document: dict[str, Any]) -> ApiOf:
    """Make an account of that name and role; return a client with a token of it."""

    def made(name: str, role: Role) -> Api:
        accounts.add(services.database, name, f"words that {name} knows", role)
        return Api(app.test_client(), document, tokens.create(services.database, name, "script", role))

    return made


@pytest.fixture
def token(services: Services) -> str:
    return tokens.create(services.database, "ana", "script", Role.OPERATOR)


@pytest.fixture
def operator(app: Flask, document: dict[str, Any], token: str) -> Api:
    return Api(app.test_client(), document, token)


@pytest.fixture
def kim(api_of: ApiOf) -> Api:
    """A reviewer."""
    return api_of("kim", Role.REVIEWER)


@pytest.fixture
def viewer(api_of: ApiOf) -> Api:
    return api_of("vic", Role.VIEWER)


@pytest.fixture
def job(services: Services) -> str:
    """A synthetic job of five images that succeeded."""
    job_id = submit_synthetic(services, SyntheticSpec(5), name="job", submitted_by="ana")
    simulated_worker.process(services, job_id)
    return job_id


@pytest.fixture
def items(services: Services) -> list[Item]:
    """The results of a job of two images that are easy."""
    job = submit_synthetic(services, SyntheticSpec(2, severity_to=0.3, severity_from=0), name="job", submitted_by="ana")
    simulated_worker.process(services, job)
    return services.repository.items(job, limit=2)


@pytest.fixture
def client(app: Flask, token: str) -> Iterator[Client]:
    with Client("http://localhost", token, patience=2, transport=httpx.WSGITransport(app=app)) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.png", "b.png", "deep/c.png"):
        (folder / name).write_bytes(PNG)
    (folder / "bad.png").write_bytes(b"no image")
    return folder


@pytest.fixture
def producer(
    app: Flask, settings: Settings, token: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Producer]:
    """`producer --api` of somebody who reaches neither database nor queue nor store."""
    for name in ("DATABASE_URL", "BROKER_URL", "STORE_URL", "DELINEATE_API", "LOG_LEVEL"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("DELINEATE_HOME", str(tmp_path / "nothing"))
    monkeypatch.setenv("DELINEATE_TOKEN", token)
    monkeypatch.setattr("producer.remote.services._PATIENCE_SECONDS", 0)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with served(app, settings) as port:

        def run(*arguments: str | Path) -> Result:
            everything = ["--api", f"http://127.0.0.1:{port}", *map(str, arguments)]
            return CliRunner().invoke(main, everything)

        yield run
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@contextmanager
def working(services: Services) -> Iterator[None]:
    """A worker that finishes whatever job comes."""
    stop = threading.Event()
    report_worker(services)

    def work() -> None:
        while not stop.wait(0.02):
            for job in services.repository.jobs(limit=5):
                if not job.state.is_final and job.sealed_at is not None:
                    simulated_worker.process(services, job.id)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def report_worker(services: Services) -> None:
    services.workers.report(new_id(), name="w", device="cpu", model="ab" * 32, images=0)
