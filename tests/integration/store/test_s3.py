"""A real S3 server: what `check` says of each wrong setting. The contract is in tests/unit/store."""

import socket
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import replace

import grpc
import pytest

from devservers import S3Endpoint
from shared.errors import ConfigurationError
from shared.store import ObjectStore, open_store


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [({"access_key": "unknown"}, "AWS_ACCESS_KEY_ID"), ({"secret_key": "wrong"}, "AWS_SECRET_ACCESS_KEY")],
)
def test_wrong_credentials(s3_endpoint: S3Endpoint, wrong: dict[str, str], setting: str):
    store = replace(s3_endpoint, **wrong).open("bucket")
    with pytest.raises(ConfigurationError, match=setting):
        store.check()
    with pytest.raises(ConfigurationError):
        store.prepare()
    store.close()


def test_nobody_makes_keys_by_the_port_that_asks_for_none(s3_endpoint: S3Endpoint):
    def field(number: int, *values: bytes) -> bytes:
        return b"".join(bytes([number << 3 | 2, len(value)]) + value for value in values)

    key, secret = "a-stranger-s-key", "a-stranger-s-secret"
    credential = field(1, key.encode()) + field(2, secret.encode())
    identity = field(1, b"stranger") + field(2, credential) + field(3, b"Admin")
    address = "127.0.0.1", s3_endpoint.keys_port
    socket.create_connection(address, timeout=5).close()  # somebody is there
    with grpc.insecure_channel("{}:{}".format(*address)) as channel:
        put_identity = channel.unary_unary("/messaging_pb.SeaweedS3IamCache/PutIdentity")
        with pytest.raises(grpc.RpcError) as refusal:
            put_identity(field(1, identity), timeout=5)
    assert refusal.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    store = replace(s3_endpoint, access_key=key, secret_key=secret).open("bucket")
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
        store.check()
    store.close()


def test_a_bucket_that_is_not_there(s3_endpoint: S3Endpoint):
    store = s3_endpoint.open("no-such-bucket")
    with pytest.raises(ConfigurationError, match=r"no such bucket.*STORE_URL"):
        store.check()
    store.close()


def test_a_server_that_speaks_no_tls(s3_endpoint: S3Endpoint):
    store = replace(s3_endpoint, url=s3_endpoint.url.replace("http:", "https:")).open("bucket")
    with pytest.raises(ConfigurationError, match=r"TLS.*S3_ENDPOINT_URL"):
        store.check()
    store.close()


def test_a_region_does_no_harm_on_a_server_without_regions(s3_endpoint: S3Endpoint):
    store = open_store(
        "s3://in-a-region",
        replace(s3_endpoint.options, region="eu-central-1"),
    )
    store.prepare()
    store.check()
    store.close()


def test_two_prefixes_of_one_bucket_stay_apart(s3_endpoint: S3Endpoint, s3_store: ObjectStore):
    bucket = s3_store.url.removeprefix("s3://")
    ours, theirs = s3_endpoint.open(bucket, "team/ours"), s3_endpoint.open(bucket, "team/theirs/")
    ours.put("jobs/1", b"ours")
    theirs.put("jobs/1", b"theirs")
    assert ours.get("jobs/1") == b"ours"
    assert [info.key for info in ours.list("jobs/")] == ["jobs/1"]
    assert sorted(info.key for info in s3_store.list()) == ["team/ours/jobs/1", "team/theirs/jobs/1"]
    assert ours.delete_prefix("jobs/") == 1
    assert theirs.get("jobs/1") == b"theirs"
    ours.close()
    theirs.close()


def test_the_content_type_is_kept_for_those_who_read_the_bucket(s3_store: ObjectStore, s3_endpoint: S3Endpoint):
    import boto3

    s3_store.put("mask.png", b"x", "image/png")
    client = boto3.client(
        "s3",
        endpoint_url=s3_endpoint.url,
        region_name="us-east-1",
        aws_access_key_id=s3_endpoint.access_key,
        aws_secret_access_key=s3_endpoint.secret_key,
    )
    head = client.head_object(Bucket=s3_store.url.removeprefix("s3://"), Key="mask.png")
    assert head["ContentType"] == "image/png"
    client.close()


def test_a_link_opens_its_object_alone_and_ends(s3_endpoint: S3Endpoint):
    bucket = f"test-{uuid.uuid4().hex}"
    store = open_store(
        f"s3://{bucket}/prefix",
        replace(s3_endpoint.options, public_url=s3_endpoint.url),
    )
    store.prepare()
    store.put("a/b.png", b"bytes")
    store.put("a/c.png", b"others")
    link = store.link("a/b.png", seconds=300, filename="x-mask.png", content_type="image/png")
    assert link is not None
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"bytes"
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="x-mask.png"'
    assert s3_endpoint.secret_key not in link
    for wrong in (link.replace("b.png", "c.png"), link.replace("X-Amz-Expires=300", "X-Amz-Expires=3000")):
        assert status(wrong) == 403
    ending = store.link("a/b.png", seconds=1, filename="x-mask.png", content_type="image/png")
    assert ending is not None
    deadline = time.monotonic() + 60
    while status(ending) != 403:
        assert time.monotonic() < deadline, "the link does not end"
        time.sleep(0.1)
    store.close()


def status(link: str) -> int:
    try:
        with urllib.request.urlopen(link) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_there_are_no_links_unless_others_can_reach_the_server(s3_store: ObjectStore):
    s3_store.put("a", b"bytes")
    assert s3_store.link("a", seconds=300, filename="a", content_type="image/png") is None
