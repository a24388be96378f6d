"""A stand-in for an S3 server, and a store of it whose pauses between attempts are none."""

from collections.abc import Iterator

import pytest

from shared.store import ObjectStore
from tests.unit.store.fake_s3 import FakeS3, fake_s3
from tests.unit.store.stores import opened


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with fake_s3() as fake:
        yield fake


@pytest.fixture
def store(server: FakeS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    store = opened(server.url, monkeypatch)
    yield store
    store.close()
