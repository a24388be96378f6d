"""The faster way to S3: it goes where the SDK goes, as whom the SDK goes, and gives way to the SDK where it fails."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.errors import ConfigurationError, ObjectMissing
from shared.store import ObjectStore
from shared.store.s3_transfer import MAX_PUT_BYTES
from tests.unit.store.fake_s3 import FakeS3, fake_s3
from tests.unit.store.stores import ACCESS, opened


@pytest.fixture(autouse=True)
def _nothing_in_the_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_one_request_each_where_all_is_well(store: ObjectStore, server: FakeS3):
    server.serve(b"bytes")
    store.put("a", b"x", "image/png")
    assert store.get("a") == b"bytes"
    assert server.requests == ["PUT", "GET"]
    assert server.clients() == ["obstore", "obstore"]
    assert server.seen_headers[0]["content-type"] == "image/png"


def test_a_large_object_comes_whole(store: ObjectStore, server: FakeS3):
    body = bytes(range(256)) * (40 * 2**12)
    server.serve(body)
    assert store.get("a") == body
    assert server.clients() == ["obstore"]


def test_a_body_that_takes_long_to_send_goes_by_the_sdk(store: ObjectStore, server: FakeS3):
    server.serve(b"")
    store.put("a", bytes(MAX_PUT_BYTES + 1))
    assert server.clients() == ["sdk"]


def test_many_threads_at_once(store: ObjectStore, server: FakeS3):
    server.serve(b"bytes" * 1000)
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: store.get("a"), range(200))) == {b"bytes" * 1000}
    assert set(server.clients()) == {"obstore"}


def test_a_server_that_it_cannot_talk_to_is_left_to_the_sdk(
    store: ObjectStore, server: FakeS3, caplog: pytest.LogCaptureFixture
):
    # Without the ETag that S3 promises, and obstore insists on.
    for _ in range(20):
        store.put("a", b"bytes")
    clients = server.clients()
    assert clients.count("sdk") == 20
    assert clients.count("obstore") < 20
    assert [record.levelname for record in caplog.records if "slow way" in record.message] == ["WARNING"]


def test_a_refusal_is_the_sdks_and_comes_without_a_pause(store: ObjectStore, server: FakeS3, monkeypatch):
    monkeypatch.setattr("shared.store.s3_clients.time", None)  # whoever sleeps fails
    server.refuse(404, "NoSuchKey")
    with pytest.raises(ObjectMissing):
        store.get("a")
    server.refuse(403, "InvalidAccessKeyId")
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
        store.put("a", b"x")
    assert server.requests == ["GET", "GET", "PUT", "PUT"]


def test_the_settings_go_before_what_obstore_reads_by_itself(server: FakeS3, monkeypatch: pytest.MonkeyPatch):
    for name, value in {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ENDPOINT": "http://127.0.0.1:9",
        "AWS_SESSION_TOKEN": "of-somebody-else",
        "AWS_ACCESS_KEY_ID": "somebody-else",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_DEFAULT_REGION": "eu-north-1",
        "AWS_UNSIGNED_PAYLOAD": "true",
    }.items():
        monkeypatch.setenv(name, value)
    server.serve(b"bytes")
    store = opened(server.url, monkeypatch)
    assert store.get("a") == b"bytes"
    store.close()
    [seen] = server.seen_headers
    assert f"Credential={ACCESS}/" in seen["authorization"]
    assert "/us-east-1/s3/" in seen["authorization"] or "/eu-north-1/s3/" in seen["authorization"]
    assert "x-amz-security-token" not in seen
    assert server.clients() == ["obstore"]


def test_credentials_of_a_profile(server: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = PROFILE\naws_secret_access_key = s\n")
    assert credential_used(server, monkeypatch) == ("PROFILE", None)


def test_credentials_that_are_renewed(server: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answer = {"Version": 1, "AccessKeyId": "RENEWED", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": ends}
    (tmp_path / "answer").write_text(json.dumps(answer))
    show = f"{sys.executable} -c \"print(open(r'{tmp_path / 'answer'}').read())\""
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {show}\n")
    assert credential_used(server, monkeypatch) == ("RENEWED", "t")


def credential_used(server: FakeS3, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str | None]:
    """Access key and session token of a request without keys among the settings."""
    server.serve(b"bytes")
    store = opened(server.url, monkeypatch, access=None, secret=None)
    assert store.get("a") == b"bytes"
    store.close()
    assert server.clients() == ["obstore"]
    [seen] = server.seen_headers
    return seen["authorization"].partition("Credential=")[2].partition("/")[0], seen.get("x-amz-security-token")


def test_no_credentials_anywhere(server: FakeS3, monkeypatch: pytest.MonkeyPatch):
    store = opened(server.url, monkeypatch, access=None, secret=None)
    for action in (lambda: store.get("a"), lambda: store.put("a", b"x")):
        with pytest.raises(ConfigurationError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
            action()
    store.close()


class TestCertificates:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        leaf = ["-addext", "basicConstraints=critical,CA:FALSE"]
        files = ["-days", "2", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem"]
        subprocess.run([*command, *names, *leaf, *files], check=True, capture_output=True)
        return tmp_path / "certificate.pem"

    def test_those_of_the_bundle_are_trusted(self, certificate: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        with fake_s3(certificate, certificate.parent / "key.pem") as server:
            server.serve(b"bytes")
            store = opened(server.url, monkeypatch)
            assert store.get("a") == b"bytes"
            store.put("a", b"bytes")
            store.close()
            assert server.clients() == ["obstore", "obstore"]

    def test_others_are_not(self, certificate: Path, monkeypatch: pytest.MonkeyPatch):
        with fake_s3(certificate, certificate.parent / "key.pem") as server:
            server.serve(b"bytes")
            store = opened(server.url, monkeypatch)
            for action in (lambda: store.get("a"), lambda: store.put("a", b"x")):
                with pytest.raises(ConfigurationError, match=r"TLS.*S3_ENDPOINT_URL"):
                    action()
            store.close()
            assert server.requests == []
