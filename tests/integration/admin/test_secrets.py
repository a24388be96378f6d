"""A real run of the admin, at its most talkative, over real servers: no credential in its log, errors or pages."""

import re
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from admin.domain import accounts, sessions, tokens
from admin.serving.app import create_app
from devservers import S3Endpoint
from devservers.process import free_ports, running
from shared.config import Settings, child_environment, load_settings
from shared.services import connect
from tests import simulated_worker
from tests.prepared_tables import make_tables

DATABASE_PASSWORD = "canary-of-the-database"  # the test's server trusts any
BROKER_PASSWORD = "canary-of-the-broker"
ADMIN_PASSWORD = "canary of the first account"
SECRET_KEY = "Canary:9f83b1657ff1fc53b92dc18148a1d65d"
COUNT = 1
LONG_S = 60


@pytest.fixture
def settings(postgres_database_url: str, s3_endpoint: S3Endpoint, broker_url: str, tmp_path: Path) -> Settings:
    (port,) = free_ports(1)
    settings = load_settings(
        delineate_home=tmp_path,
        database_url=postgres_database_url.replace("@", f":{DATABASE_PASSWORD}@"),
        broker_url=broker_url,
        store_url=f"s3://test-{uuid.uuid4().hex}",
        s3_endpoint_url=s3_endpoint.url,
        s3_public_url=s3_endpoint.url,
        aws_access_key_id=SecretStr(s3_endpoint.access_key),
        aws_secret_access_key=SecretStr(s3_endpoint.secret_key),
        admin_username="ana",
        admin_password=SecretStr(ADMIN_PASSWORD),
        secret_key=SecretStr(SECRET_KEY),
        admin_port=port,
        log_level="DEBUG",
    )
    services = connect(settings)
    make_tables(services.database)
    services.store.prepare()
    accounts.ensure_first_account(settings, services.database)
    services.close()
    return settings


def environment(settings: Settings, **other: str) -> dict[str, str]:
    given = {
        name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name in (
            "database_url", "broker_url", "store_url", "s3_endpoint_url", "s3_public_url", "aws_access_key_id",
            "aws_secret_access_key", "admin_username", "admin_password", "secret_key", "admin_port", "log_level",
        )
        for value in [getattr(settings, name)]
    }  # fmt: skip
    return child_environment(settings, **given | other)


def secrets(settings: Settings) -> dict[str, str]:
    assert settings.aws_access_key_id
    assert settings.aws_secret_access_key
    return {
        "S3 access key": settings.aws_access_key_id.get_secret_value(),
        "S3 secret key": settings.aws_secret_access_key.get_secret_value(),
        "database password": DATABASE_PASSWORD,
        "broker password": BROKER_PASSWORD,
        "account's password": ADMIN_PASSWORD,
        "session key": SECRET_KEY,
    }


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object, **_more: object) -> None:
        return None


def fetch(address: str, headers: Mapping[str, str]) -> tuple[int, str, str]:
    request = urllib.request.Request(address, headers=dict(headers))
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=LONG_S) as answer:
            return answer.status, str(answer.headers), answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, str(error.headers), error.read().decode(errors="replace")


def test_a_run_and_its_failures_show_no_credential(settings: Settings, tmp_path: Path) -> None:
    services = connect(settings)
    app = create_app(settings, services)
    session = app.session_interface.get_signing_serializer(app)
    assert session
    token = tokens.create(services.database, "ana", "script", accounts.Role.OPERATOR)
    name = app.config["SESSION_COOKIE_NAME"]
    cookie = {"Cookie": f"{name}=" + session.dumps({"_user_id": sessions.begin(services.database, "ana")})}
    bearer = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    base = f"http://127.0.0.1:{settings.admin_port}"
    command = [sys.executable, "-P", "-m", "admin.cli", "serve"]

    def lives() -> None:
        assert fetch(f"{base}/health/live", {})[0] == 200

    made = app.test_client().post("/api/v1/jobs/synthetic", json={"count": COUNT}, headers=bearer).json
    simulated_worker.process(services, made["id"])
    item = services.repository.items(made["id"], limit=1)[0].id
    stored = [f"/items/{item}/mask.png", f"/jobs/{made['id']}/results.zip", "/health/ready"]
    pages = [*stored, "/", f"/jobs/{made['id']}", f"/items/{item}", "/new/upload", "/new/synthetic", "/models",
             "/tokens", "/nope"]  # fmt: skip
    calls = [f"/items/{item}/files/mask", "/me", "/jobs", f"/jobs/{made['id']}/items", f"/items/{item}", "/models",
             "/nope", "/openapi.json"]  # fmt: skip
    seen: dict[str, str] = {}

    def walk(label: str) -> list[int]:
        codes = []
        # All of it once; in a failure the parts that meet it.
        asked = (pages, calls) if label == "in order" else (stored, calls[:1])
        for address, headers in [*((p, cookie) for p in asked[0]), *((f"/api/v1{c}", bearer) for c in asked[1])]:
            code, given, body = fetch(base + address, headers)
            # A presigned link names the access key, which is no secret; it is for whoever asked, and nobody else.
            seen[f"{label} {address}"] = re.sub(r"X-Amz-Credential=\w+", "", given + body)
            codes.append(code)
        return codes

    failing = {
        "with a wrong S3 secret": {"AWS_SECRET_ACCESS_KEY": "canary-of-a-wrong-key"},
        "with S3 away": {"S3_ENDPOINT_URL": "http://127.0.0.1:1"},
        "with the queue away": {"BROKER_URL": f"redis://:{BROKER_PASSWORD}@127.0.0.1:1/0"},
    }
    for label, wrong in {"in order": {}, **failing}.items():
        folder = tmp_path / label.replace(" ", "-")
        folder.mkdir()
        with running(command, folder=folder, wait_until=lives, environment=environment(settings, **wrong)):
            codes = walk(label)
        log = "".join(path.read_text(errors="replace") for path in folder.iterdir() if path.is_file())
        assert log, "the run wrote no log: this test looks in the wrong place"
        seen[f"{label}: log"] = log
        assert (500 in codes) is False, (label, codes)
        assert (503 in codes) is bool(wrong), (label, codes)
    away = settings.database_url.rpartition("@")[0] + "@127.0.0.1:1/none"
    ended = subprocess.run(
        [sys.executable, "-m", "admin.cli", "users", "list"],
        env=environment(settings, DATABASE_URL=away), capture_output=True, text=True, timeout=LONG_S,
    )  # fmt: skip
    assert ended.returncode == 3
    seen["a command without its database"] = ended.stdout + ended.stderr
    services.close()

    hidden = secrets(settings) | {"API token": token, "wrong S3 secret": "canary-of-a-wrong-key"}
    found = [(where, name) for where, text in seen.items() for name, secret in hidden.items() if secret in text]
    assert found == []
