"""A real S3 server: what `check` says of each wrong setting. The contract is in tests/unit/store."""

from dataclasses import replace

import pytest

from shared.errors import ConfigurationError
from shared.store import ObjectStore, open_store
from tests.servers import S3Endpoint


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
        endpoint_url=s3_endpoint.url,
        region="eu-central-1",
        access_key=s3_endpoint.access_key,
        secret_key=s3_endpoint.secret_key,
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
