"""Which buckets may be read, and that what is referred to is never written or deleted."""

import pytest

from shared.errors import ConfigurationError, ItemErrorCode, SourceGone, UsageError
from shared.store import S3Options, references
from shared.store.memory import MemoryStore
from shared.store.references import Reference, extension_of_source, is_reference
from shared.store.referring import ReferringStore
from shared.store.source_buckets import Place, SourceBuckets, places_of
from tests.unit.store.fake_s3 import FakeS3

THEIRS = Reference("plates", "2026/Zell en #1+%41.TIF", "d41d8-3")


def buckets(allowed: str, store: str = "file:///objects", url: str | None = None) -> SourceBuckets:
    return SourceBuckets(allowed, store, S3Options(endpoint_url=url, access_key="key", secret_key="secret"))


def test_a_reference_is_read_back_as_it_was() -> None:
    text = str(THEIRS)
    assert text == "s3://plates/2026/Zell%20en%20%231%2B%2541.TIF#d41d8-3"
    assert references.parse(text) == THEIRS
    assert is_reference(text)
    assert extension_of_source(text) == ".TIF"
    assert extension_of_source("jobs/1/source/2.png") == ".png"
    assert not is_reference("jobs/1/source/2.png")
    assert not is_reference(None)


@pytest.mark.parametrize("text", ["s3://", "s3://b", "s3://b/k", "s3://b/#e", "s3:///k#e", "s3://b/k#", "jobs/1"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a reference"):
        references.parse(text)


def test_no_bucket_may_be_read_unless_it_is_named() -> None:
    with pytest.raises(UsageError, match="set SOURCE_BUCKETS"):
        buckets("").check(Place("plates"))
    found = buckets("s3://plates, s3://lab/scans/")
    for allowed in (Place("plates"), Place("plates", "a/b"), Place("lab", "scans"), Place("lab", "scans/1")):
        found.check(allowed)
    for refused in (Place("plates2"), Place("lab"), Place("lab", "scans-private"), Place("lab", "scan")):
        with pytest.raises(UsageError, match="not in SOURCE_BUCKETS"):
            found.check(refused)


@pytest.mark.parametrize("text", ["plates", "s3://", "s3:///plates", "s3://a, https://b"])
def test_a_setting_that_names_no_bucket(text: str) -> None:
    with pytest.raises(ConfigurationError, match="SOURCE_BUCKETS has"):
        places_of(text)


def test_the_stores_own_objects_are_nobodys_sources() -> None:
    found = buckets("s3://lab", store="s3://lab/delineate/store")
    for over in (Place("lab"), Place("lab", "delineate"), Place("lab", "delineate/store/jobs")):
        with pytest.raises(UsageError, match="results would be taken for sources"):
            found.check(over)
    found.check(Place("lab", "delineate/store2"))
    with pytest.raises(UsageError, match="results would be taken for sources"):
        buckets("s3://lab", store="s3://lab").check(Place("lab", "plates"))


def test_nothing_that_is_referred_to_is_written_or_deleted() -> None:
    own = MemoryStore("own")
    store = ReferringStore(own, buckets("s3://plates"))
    for change in (
        lambda: store.put(str(THEIRS), b""),
        lambda: store.delete([str(THEIRS)]),
        lambda: store.delete_prefix("s3://plates"),
    ):
        with pytest.raises(UsageError):
            change()
    assert store.link(str(THEIRS), seconds=1, filename="a.tif", content_type="image/tiff") is None


def test_what_is_not_allowed_any_more_fails_alone() -> None:
    store = ReferringStore(MemoryStore("own"), buckets("s3://others"))
    with pytest.raises(SourceGone, match="not in SOURCE_BUCKETS") as failure:
        store.get(str(THEIRS))
    assert failure.value.code is ItemErrorCode.UNREADABLE
    assert store.size(str(THEIRS)) is None


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        (404, "NoSuchKey", ItemErrorCode.SOURCE_MISSING),
        (403, "AccessDenied", ItemErrorCode.UNREADABLE),
        (403, "InvalidObjectState", ItemErrorCode.UNREADABLE),
        (404, "NoSuchBucket", ItemErrorCode.UNREADABLE),
    ],
)
def test_an_object_that_cannot_be_read_fails_with_its_code(
    server: FakeS3, status: int, answer: str, code: ItemErrorCode
) -> None:
    server.refuse(status, answer)
    with pytest.raises(SourceGone, match="plates/2026") as failure:
        buckets("s3://plates", url=server.url).read(THEIRS)
    assert failure.value.code is code


def test_another_object_of_the_same_key_is_not_read(server: FakeS3) -> None:
    server.serve(b"other bytes")  # its ETag is "1"
    found = buckets("s3://plates", url=server.url)
    assert found.read(Reference("plates", "a.tif", "1")) == b"other bytes"
    with pytest.raises(SourceGone, match="another object than was submitted") as failure:
        found.read(Reference("plates", "a.tif", "2"))
    assert failure.value.code is ItemErrorCode.SOURCE_CHANGED
    found.close()
