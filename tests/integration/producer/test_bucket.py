"""`producer submit s3://…` on a real S3 server: nothing is copied, and nothing of the user's is ever deleted."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
from types_boto3_s3.client import S3Client

from devservers import S3Endpoint
from producer.bucket import BucketSources
from producer.rolling import Rolling, WatchedFolder
from producer.unfinished import Request
from shared.config import load_settings
from shared.errors import ItemErrorCode, SourceGone
from shared.flows.prefixes import add_listed, wanted_of
from shared.images.codec import encode_grey
from shared.jobs.records import Item
from shared.jobs.state import JobKind
from shared.services import Services, connect
from shared.store import references, s3_reader
from shared.upkeep.audit import audit
from shared.upkeep.retention import Retention, RetentionRules
from tests.integration.producer.conftest import Producer
from tests.prepared_tables import make_tables

KEYS = ["Ä 1+#%.png", "b.TIF", "notes.txt", ".hidden.png", "old/c.png", "deep/er/d.png", "folder/"]


@pytest.fixture
def s3(s3_endpoint: S3Endpoint) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=s3_endpoint.url,
        region_name="us-east-1",
        aws_access_key_id=s3_endpoint.access_key,
        aws_secret_access_key=s3_endpoint.secret_key,
    )


@pytest.fixture
def bucket(s3: S3Client, s3_endpoint: S3Endpoint, environment: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user's bucket, of whose prefix `plates` alone the stack may read."""
    name = f"user-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    for key in KEYS:
        s3.put_object(Bucket=name, Key=f"plates/{key}", Body=f"bytes of {key}".encode() if key != "folder/" else b"")
    s3.put_object(Bucket=name, Key="secret/a.png", Body=b"secret")
    monkeypatch.setenv("SOURCE_BUCKETS", f"s3://{name}/plates")
    monkeypatch.setenv("S3_ENDPOINT_URL", s3_endpoint.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_endpoint.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_endpoint.secret_key)
    return name


@pytest.fixture
def services(bucket: str) -> Iterator[Services]:
    services = connect(load_settings())
    make_tables(services.database)
    services.store.prepare()
    yield services
    services.close()


def items_of(services: Services, said: str) -> dict[str, Item]:
    return {item.path: item for item in services.repository.items(said.splitlines()[0], limit=100)}


def test_images_stay_where_they_are(bucket: str, services: Services, producer: Producer) -> None:
    done = producer("submit", f"s3://{bucket}/plates", "--recursive", "--exclude", "old")
    assert done.exit_code == 0, done.output
    assert "submitted 3 images (which stay where they are)" in done.stderr
    assert "1 file left out, no image by name: 1 .txt" in done.stderr
    items = items_of(services, done.stdout)
    assert list(items) == ["b.TIF", "deep/er/d.png", "Ä 1+#%.png"]
    for path, item in items.items():
        assert services.store.get(str(item.source_key)) == f"bytes of {path}".encode()
        assert services.store.size(str(item.source_key)) == item.source_bytes
    assert list(services.store.list("jobs/")) == []
    assert services.repository.job(done.stdout.splitlines()[0]).name == "plates"


def test_folders_patterns_and_single_objects(bucket: str, services: Services, producer: Producer) -> None:
    flat = producer("submit", f"s3://{bucket}/plates")
    assert list(items_of(services, flat.stdout)) == ["b.TIF", "Ä 1+#%.png"]
    assert "3 subfolders left out" in flat.stderr
    matched = producer("submit", f"s3://{bucket}/plates/**/*.png", "--json")
    assert json.loads(matched.stdout)["counts"]["total"] == 3
    single = producer("submit", f"s3://{bucket}/plates/notes.txt")
    assert list(items_of(services, single.stdout)) == ["notes.txt"]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("s3://{bucket}/secret", "not in SOURCE_BUCKETS"),
        ("s3://{bucket}", "not in SOURCE_BUCKETS"),
        ("s3://{bucket}/plates/../secret", "on its way"),
        ("s3://{bucket}/plates/empty", "there is no image in"),
    ],
)
def test_what_may_not_be_read_leaves_nothing(
    bucket: str, services: Services, producer: Producer, address: str, reason: str
) -> None:
    done = producer("submit", address.format(bucket=bucket))
    assert done.exit_code == 2
    assert reason in done.stderr
    assert services.repository.jobs(limit=5) == []


def test_pages_of_a_listing_follow_one_another(
    bucket: str, services: Services, producer: Producer, monkeypatch: pytest.MonkeyPatch, s3: S3Client
) -> None:
    monkeypatch.setattr(s3_reader, "_PAGE_OBJECTS", 2)
    done = producer("submit", f"s3://{bucket}/plates", "--recursive")
    assert "submitted 4 images" in done.stderr
    # Begun anew, what is known stays and what has changed is taken anew.
    job = services.repository.create_job(JobKind.IMAGES, name="twice", submitted_by="test")
    wanted = wanted_of(f"s3://{bucket}/plates", recursive=True)
    first = add_listed(services, job, wanted)
    assert (first.hidden, first.added, first.following is None) == (1, 1, False)
    s3.put_object(Bucket=bucket, Key="plates/b.TIF", Body=b"exported again")
    again = add_listed(services, job, wanted)
    assert (again.added, again.known, again.replaced) == (0, 0, 1)
    assert add_listed(services, job, wanted).known == 1


def test_a_changed_object_is_not_taken_for_the_one_submitted(
    bucket: str, services: Services, producer: Producer, s3: S3Client
) -> None:
    done = producer("submit", f"s3://{bucket}/plates/b.TIF")
    item = items_of(services, done.stdout)["b.TIF"]
    s3.put_object(Bucket=bucket, Key="plates/b.TIF", Body=b"other bytes")
    with pytest.raises(SourceGone) as changed:
        services.store.get(str(item.source_key))
    assert changed.value.code is ItemErrorCode.SOURCE_CHANGED
    assert services.store.size(str(item.source_key)) is None
    s3.delete_object(Bucket=bucket, Key="plates/b.TIF")
    with pytest.raises(SourceGone) as gone:
        services.store.get(str(item.source_key))
    assert gone.value.code is ItemErrorCode.SOURCE_MISSING


def test_upkeep_leaves_a_users_own_objects_alone(
    bucket: str, services: Services, producer: Producer, s3: S3Client
) -> None:
    done = producer("submit", f"s3://{bucket}/plates")
    job = done.stdout.splitlines()[0]
    services.repository.cancel(job)
    forgetting = Retention(services.database, services.store, RetentionRules(0.0, remove_sources_after=0.0))
    while forgetting.step():
        pass
    kept = services.repository.items(job, limit=10)
    assert all(references.is_reference(item.source_key) for item in kept)
    assert audit(services.database, services.store, grace=0.0).is_clean
    removing = Retention(services.database, services.store, RetentionRules(0.0, remove_jobs_after=0.0))
    while removing.step():
        pass
    assert services.repository.jobs(limit=5) == []
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="plates/")
    assert len(listed["Contents"]) == len(KEYS)


def test_a_check_reads_the_objects_and_submits_nothing(
    bucket: str, services: Services, producer: Producer, s3: S3Client
) -> None:
    s3.put_object(Bucket=bucket, Key="plates/good.png", Body=encode_grey(np.eye(32, dtype=np.uint8) * 200))
    done = producer("check", f"s3://{bucket}/plates", "--recursive", "--json")
    assert done.exit_code == 1, done.output
    assert "1 file left out, no image by name: 1 .txt" in done.stderr
    found = json.loads(done.stdout)
    assert (found["images"], found["usable"]) == (5, 1)
    assert [problem["code"] for problem in found["problems"]] == ["not_an_image"]
    assert services.repository.jobs(limit=5) == []
    for address, reason in (("secret", "not in SOURCE_BUCKETS"), ("plates/empty", "there is no image in")):
        refused = producer("check", f"s3://{bucket}/{address}")
        assert refused.exit_code == 2
        assert reason in refused.stderr


def test_a_prefix_is_watched_and_each_object_is_taken_once(bucket: str, services: Services, s3: S3Client) -> None:
    def begun() -> WatchedFolder:
        wanted = wanted_of(f"s3://{bucket}/plates", recursive=True, exclude=("old",))
        return WatchedFolder(services, lambda: BucketSources(services, wanted), Request(), Rolling(still_seconds=0.0))

    def taken() -> list[list[str]]:
        jobs = reversed(services.repository.jobs(limit=5))
        return [[item.path for item in services.repository.items(job.id, limit=9)] for job in jobs]

    watched = begun()
    for _ in range(3):
        watched.round()
    assert taken() == [["b.TIF", "deep/er/d.png", "Ä 1+#%.png"]]
    assert list(services.store.list("jobs/")) == []  # they stay where they are
    # What comes later, or is put anew with another content, is taken too, also by whoever begins again.
    s3.put_object(Bucket=bucket, Key="plates/b.TIF", Body=b"other and longer bytes")
    s3.put_object(Bucket=bucket, Key="plates/new.png", Body=b"new")
    watched = begun()
    for _ in range(3):
        watched.round()
    assert watched.done.trouble is None
    assert [sorted(paths) for paths in taken()] == [["b.TIF", "deep/er/d.png", "new.png", "Ä 1+#%.png"]]
    assert watched.seal() == services.repository.jobs(limit=1)[0].id


def test_a_prefix_that_may_not_be_read_is_not_watched(bucket: str, services: Services, producer: Producer) -> None:
    done = producer("watch-folder", f"s3://{bucket}/secret")
    assert done.exit_code == 2
    assert "not in SOURCE_BUCKETS" in done.stderr
