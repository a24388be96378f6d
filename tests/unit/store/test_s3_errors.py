"""What the S3 store makes of a server that fails: a few lines of HTTP stand in for it."""

import pytest

from devservers.process import free_ports
from shared.errors import ConfigurationError, ObjectMissing, Retryable, StoreFull, StoreUnavailable
from shared.store import ObjectStore, S3Options, open_store
from tests.unit.store.fake_s3 import FakeS3
from tests.unit.store.stores import SECRET, opened


@pytest.mark.parametrize(
    ("status", "code"), [(500, "InternalError"), (502, "BadGateway"), (503, "SlowDown"), (400, "RequestTimeout")]
)
def test_a_failing_server_is_retryable_after_a_few_attempts(store: ObjectStore, server: FakeS3, status: int, code: str):
    server.refuse(status, code)
    with pytest.raises(StoreUnavailable, match=code):
        store.put("a/b", b"x")
    with pytest.raises(StoreUnavailable, match=code):
        store.get("a/b")
    assert server.requests == ["PUT"] * 3 + ["GET"] * 3


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "QuotaExceeded"), (400, "XMinioAdminBucketQuotaExceeded"), (507, "XMinioStorageFull"), (507, "Odd")],
)
def test_a_bucket_without_room_is_retryable_and_says_so(store: ObjectStore, server: FakeS3, status: int, code: str):
    server.refuse(status, code)
    with pytest.raises(StoreFull, match=f"no room.*{code}"):
        store.put("a/b", b"x")


def test_every_action_maps_a_server_error(store: ObjectStore, server: FakeS3):
    server.refuse(503, "ServiceUnavailable")
    for action in (
        lambda: store.get("a"),
        lambda: store.size("a"),
        lambda: store.exists("a"),
        lambda: list(store.list("a")),
        lambda: store.delete(["a"]),
        lambda: store.delete_prefix("a"),
        store.prepare,
        store.check,
    ):
        with pytest.raises(Retryable):
            action()


@pytest.mark.parametrize(
    ("status", "code", "setting"),
    [
        (403, "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
        (403, "AccessDenied", "policy"),
        (404, "NoSuchBucket", "STORE_URL"),
        (400, "AuthorizationHeaderMalformed", "AWS_REGION"),
        (403, "RequestTimeTooSkewed", "clock"),
        (400, "SomethingNew", "SomethingNew"),
    ],
)
def test_a_refusal_names_the_setting_in_one_line(
    store: ObjectStore, server: FakeS3, status: int, code: str, setting: str
):
    server.refuse(status, code)
    with pytest.raises(ConfigurationError) as caught:
        store.check()
    line = str(caught.value)
    assert setting in line
    assert server.url in line
    assert "\n" not in line
    assert SECRET not in line


def test_a_missing_object_is_no_refusal(store: ObjectStore, server: FakeS3):
    server.refuse(404, "NoSuchKey")
    with pytest.raises(ObjectMissing, match="a/b"):
        store.get("a/b")
    assert store.size("a/b") is None


def test_some_other_web_server(store: ObjectStore, server: FakeS3):
    server.status, server.body = 404, b"<html>Not found"
    with pytest.raises(ConfigurationError, match="S3_ENDPOINT_URL"):
        store.get("a")
    server.status, server.body = 200, b""
    with pytest.raises(ConfigurationError, match="S3_ENDPOINT_URL"):
        store.check()


def test_an_answer_that_breaks_off_is_retryable(store: ObjectStore, server: FakeS3):
    for half in (b"half", bytes(10 * 2**20)):
        server.serve(half)
        server.promised_length = 2 * len(half)
        with pytest.raises(StoreUnavailable):
            store.get("a")


def test_a_server_that_stalls_is_left_in_time(server: FakeS3, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shared.store.s3_clients.READ_TIMEOUT_S", 0.2)
    store = opened(server.url, monkeypatch)
    server.stalls = True
    for action in (lambda: store.put("a", b"x"), lambda: store.get("a")):
        server.requests.clear()
        with pytest.raises(StoreUnavailable, match="no answer"):
            action()
        assert len(server.requests) == 3
    store.close()


def test_an_object_that_cannot_be_deleted_is_told(store: ObjectStore, server: FakeS3):
    server.body = b"<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    with pytest.raises(ConfigurationError, match="AccessDenied"):
        store.delete(["a"])
    server.body = b"<DeleteResult><Error><Key>a</Key><Code>InternalError</Code></Error></DeleteResult>"
    with pytest.raises(StoreUnavailable, match="InternalError"):
        store.delete(["a"])


def test_what_others_put_into_the_bucket_is_no_object(store: ObjectStore, server: FakeS3):
    contents = "".join(
        f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in ("jobs/7/", "jobs/7/a", "jobs/7/my picture")
    )
    folders = "".join(
        f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>" for folder in ("jobs/7/", "jobs//", "jobs/a b/")
    )
    server.body = f"<ListBucketResult>{contents}{folders}</ListBucketResult>".encode()
    assert [info.key for info in store.list("jobs/")] == ["jobs/7/a"]
    assert list(store.folders("jobs/")) == ["jobs/7/"]


def test_nothing_listens(monkeypatch: pytest.MonkeyPatch):
    [port] = free_ports(1)
    store = opened(f"http://127.0.0.1:{port}", monkeypatch)
    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{port}.*S3_ENDPOINT_URL"):
        store.check()
    store.close()


@pytest.mark.parametrize("endpoint_url", ["no address", "127.0.0.1:9000", "http://"])
def test_an_address_that_is_none(endpoint_url: str):
    with pytest.raises(ConfigurationError, match="S3_ENDPOINT_URL"):
        open_store("s3://bucket", S3Options(endpoint_url=endpoint_url, access_key="AKIA", secret_key=SECRET))


def test_half_a_pair_of_credentials():
    with pytest.raises(ConfigurationError, match="together"):
        open_store("s3://bucket", S3Options(access_key="AKIA"))
