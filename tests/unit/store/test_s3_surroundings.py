"""What the usual AWS variables and files, proxies, and servers that know less of S3 make of a store."""

import json
import sys
from pathlib import Path

import pytest

from devservers.process import free_ports
from shared.config import load_settings
from shared.errors import ConfigurationError, StoreUnavailable
from shared.services import connect
from shared.store import ObjectStore
from tests.unit.store.fake_s3 import FakeS3, fake_s3
from tests.unit.store.stores import opened

VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",
    "AWS_DEFAULT_REGION", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_in_the_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    monkeypatch.setattr("shared.store.s3_clients.MAX_FIRST_PAUSE_S", 0.0)


def store_of_the_settings(server: FakeS3, tmp_path: Path, dotenv: str = "") -> ObjectStore:
    (tmp_path / ".env").write_text(dotenv)
    settings = load_settings(
        _env_file=tmp_path / ".env", delineate_home=tmp_path, store_url="s3://bucket", s3_endpoint_url=server.url
    )
    return connect(settings).store


def signed_by(server: FakeS3, store: ObjectStore) -> set[tuple[str, str, str | None]]:
    """(access key, region, session token) of requests of both clients, which have to agree."""
    server.serve(b"bytes")
    store.get("a")
    assert server.clients() == ["obstore"]
    store.size("a")
    assert server.clients() == ["obstore", "sdk"]
    store.close()
    seen = set()
    for headers in server.seen_headers:
        key, _, region, *_ = headers["authorization"].partition("Credential=")[2].split("/")
        seen.add((key, region, headers.get("x-amz-security-token")))
    return seen


def test_three_variables(server: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in {"ACCESS_KEY_ID": "ASIA", "SECRET_ACCESS_KEY": "s", "SESSION_TOKEN": "token"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    assert signed_by(server, store_of_the_settings(server, tmp_path)) == {("ASIA", "us-east-1", "token")}


def test_a_token_of_the_environment_is_not_that_of_keys_in_the_file(server: FakeS3, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-another-login")
    store = store_of_the_settings(server, tmp_path, "AWS_ACCESS_KEY_ID=FILE\nAWS_SECRET_ACCESS_KEY=s\n")
    assert signed_by(server, store) == {("FILE", "us-east-1", None)}


def test_a_token_of_the_file_is_not_that_of_keys_in_the_environment(server: FakeS3, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    keys = "AWS_ACCESS_KEY_ID=FILE\nAWS_SECRET_ACCESS_KEY=s\nAWS_SESSION_TOKEN=token\n"
    assert signed_by(server, store_of_the_settings(server, tmp_path, keys)) == {("AKIA", "us-east-1", None)}


@pytest.mark.parametrize(
    ("environment", "dotenv", "region"),
    [
        ({"AWS_DEFAULT_REGION": "eu-central-1"}, "", "eu-central-1"),
        ({"AWS_PROFILE": "work"}, "", "eu-west-3"),
        ({}, "AWS_PROFILE=work", "eu-west-3"),
        ({"AWS_PROFILE": "work", "AWS_DEFAULT_REGION": "eu-central-1"}, "", "eu-central-1"),
        ({"AWS_DEFAULT_REGION": "eu-central-1"}, "AWS_REGION=ap-south-1", "ap-south-1"),
        ({}, "", "us-east-1"),
    ],
)
def test_the_region(server: FakeS3, tmp_path: Path, monkeypatch, environment: dict[str, str], dotenv: str, region: str):
    (tmp_path / "config").write_text("[profile work]\nregion = eu-west-3\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    store = store_of_the_settings(server, tmp_path, f"AWS_ACCESS_KEY_ID=AKIA\nAWS_SECRET_ACCESS_KEY=s\n{dotenv}\n")
    assert signed_by(server, store) == {("AKIA", region, None)}


@pytest.mark.parametrize("where", ["environment", "file"])
def test_keys_of_a_profile(server: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str):
    keys = "[work]\naws_access_key_id = PROFILE\naws_secret_access_key = s\naws_session_token = token\n"
    (tmp_path / "credentials").write_text(keys)
    if where == "environment":
        monkeypatch.setenv("AWS_PROFILE", "work")
    store = store_of_the_settings(server, tmp_path, "AWS_PROFILE=work\n" if where == "file" else "")
    assert signed_by(server, store) == {("PROFILE", "us-east-1", "token")}


def test_keys_of_a_container_role(server: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with fake_s3() as role:
        keys = {"AccessKeyId": "ROLE", "SecretAccessKey": "s", "Token": "token", "Expiration": "2099-01-01T00:00:00Z"}
        role.body = json.dumps(keys).encode()
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{role.url}/role")
        assert signed_by(server, store_of_the_settings(server, tmp_path)) == {("ROLE", "us-east-1", "token")}


def test_a_profile_that_is_not_there(server: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_PROFILE", "lost")
    with pytest.raises(ConfigurationError, match=r"lost.*AWS_PROFILE"):
        store_of_the_settings(server, tmp_path)


def test_keys_that_cannot_be_renewed(server: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {sys.executable} -c 'raise SystemExit(1)'\n")
    with pytest.raises(ConfigurationError, match="AWS_PROFILE"):
        store_of_the_settings(server, tmp_path).check()


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "ExpiredToken", "has expired"),
        (403, "InvalidAccessKeyId", "is unknown"),
        (403, "AccessDenied", "no right"),
    ],
)
def test_what_an_answer_to_head_cannot_say_is_asked_for(
    store: ObjectStore, server: FakeS3, status: int, code: str, words: str
):
    server.refuse(status, code)
    for action in (store.prepare, lambda: store.size("a")):
        with pytest.raises(ConfigurationError, match=words):
            action()


# -- servers that know less of S3 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "MissingContentMD5"), (400, "InvalidRequest"), (501, "NotImplemented"), (405, "MethodNotAllowed")],
)
def test_a_server_without_bulk_deletes(
    store: ObjectStore, server: FakeS3, caplog: pytest.LogCaptureFixture, status: int, code: str
):
    server.refuses = lambda method, target: (status, code) if method == "POST" and "delete" in target else None
    store.delete(["a/1", "a/2", "a/3"])
    store.delete(["b/1"])
    assert server.requests == ["POST", *["DELETE"] * 4]  # and the refusal is remembered
    assert sorted(server.targets[1:]) == ["/bucket/a/1", "/bucket/a/2", "/bucket/a/3", "/bucket/b/1"]
    assert [record.levelname for record in caplog.records if "one by one" in record.message] == ["WARNING"]


def test_an_overloaded_server_is_not_asked_a_thousand_times_instead(store: ObjectStore, server: FakeS3):
    server.refuses = lambda method, _target: (503, "SlowDown") if method == "POST" else None
    with pytest.raises(StoreUnavailable):
        store.delete(["a/1"])
    assert set(server.requests) == {"POST"}


def test_keys_without_the_right_to_delete_are_told(store: ObjectStore, server: FakeS3):
    server.refuse(403, "AccessDenied")
    with pytest.raises(ConfigurationError, match="no right"):
        store.delete(["a/1"])
    server.refuse(200, "")
    server.body = b"<DeleteResult/>"
    server.requests.clear()
    store.delete(["a/1"])
    assert server.requests == ["POST"]  # a refusal of both is no reason to go the long way for ever


# -- proxies -------------------------------------------------------------------------------------------------------


def test_this_machine_is_not_asked_through_a_proxy(server: FakeS3, monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.serve(b"bytes")
    for host in ("127.0.0.1", "localhost"):
        store = opened(server.url.replace("127.0.0.1", host), monkeypatch)
        assert store.get("a") == b"bytes"
        store.size("a")
        store.close()
    assert server.clients() == ["obstore", "sdk"] * 2


def test_both_clients_take_the_same_proxy(server: FakeS3, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.serve(b"bytes")
    store = opened("http://s3.example.org", monkeypatch)
    assert store.get("a") == b"bytes"
    store.size("a")
    store.close()
    assert server.clients() == ["obstore", "sdk"]
    assert all(target.startswith("http://s3.example.org/bucket") for target in server.targets)


@pytest.mark.parametrize("is_up", [True, False])
def test_a_proxy_that_fails_is_named(server: FakeS3, monkeypatch: pytest.MonkeyPatch, is_up: bool):
    [closed] = free_ports(1)
    address = server.url.removeprefix("http://") if is_up else f"127.0.0.1:{closed}"
    monkeypatch.setenv("http_proxy", f"http://user:secret@{address}")
    server.status, server.body = 403, b"<html>Forbidden by policy"
    store = opened("http://s3.example.org", monkeypatch)
    for action in (store.check, store.prepare):
        with pytest.raises((ConfigurationError, StoreUnavailable), match=r"HTTP_PROXY.*NO_PROXY") as caught:
            action()
        assert "secret" not in str(caught.value)
    store.close()


def test_a_stack_calls_its_servers_by_names_without_a_dot(monkeypatch: pytest.MonkeyPatch):
    from shared.store.s3_proxies import proxy_of

    monkeypatch.setenv("HTTP_PROXY", "proxy.example.org:3128")
    for near in ("http://s3:8333", "http://minio", "http://[::1]:9000", "http://127.0.0.2", "http://s3.localhost"):
        assert proxy_of(near) is None
    assert proxy_of("http://10.0.0.1:9000") == proxy_of("http://s3.example.org") == "http://proxy.example.org:3128"
    monkeypatch.setenv("NO_PROXY", "example.org")
    assert proxy_of("http://s3.example.org") is None
