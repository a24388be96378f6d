"""Opening an S3 store in a test."""

import pytest

from shared.store import ObjectStore, S3Options, open_store

ACCESS, SECRET = "AKIA", "wJalrXUtnFEMI"


def opened(
    endpoint_url: str, monkeypatch: pytest.MonkeyPatch, *, access: str | None = ACCESS, secret: str | None = SECRET
) -> ObjectStore:
    # Up to a second before it is tried again, and then the SDK's own pauses.
    monkeypatch.setattr("shared.store.s3_clients.MAX_FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    return open_store("s3://bucket", S3Options(endpoint_url=endpoint_url, access_key=access, secret_key=secret))
