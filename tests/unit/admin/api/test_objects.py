"""Images that stay in their bucket, through API, Python client and `producer --api`; a stand-in has the bucket."""

import pytest

from delineate_client import ApiError, Client
from shared.config import Settings
from shared.services import Services
from tests.unit.admin.api.conftest import PNG, Api, Producer, reading
from tests.unit.store.fake_s3 import FakeS3


@pytest.fixture
def settings(settings: Settings, s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> Settings:
    return reading(settings, s3, monkeypatch)


def test_a_page_of_a_bucket_becomes_items_that_refer_to_it(operator: Api, services: Services, s3: FakeS3) -> None:
    job = operator.post("/jobs", json={"name": "plates"}).json["id"]
    added = operator.post(f"/jobs/{job}/objects", json={"address": "s3://lab/plates"}).json
    assert added == {
        "added": 2, "known": 0, "replaced": 0, "failed": 1, "left_out": {".txt": 1, "": 1}, "hidden": 0, "excluded": 0,
        "folders": 0, "next": None,
    }  # fmt: skip
    again = operator.post(f"/jobs/{job}/objects", json={"address": "s3://lab/plates"}).json
    assert (again["added"], again["known"], again["failed"]) == (0, 2, 0)
    first, second = services.repository.items(job, limit=5)
    assert (first.path, first.source_key, first.source_bytes) == ("a.png", "s3://lab/plates/a.png#1", 9)
    assert (second.path, second.error_code) == ("huge.tif", "too_many_bytes")
    s3.body = PNG
    source = operator.get(f"/items/{first.id}/files/source")
    assert source.data == PNG
    assert source.headers["Content-Disposition"].endswith("a.png")
    s3.headers["ETag"] = '"2"'
    assert operator.get(f"/items/{first.id}/files/source").status_code == 404


@pytest.mark.parametrize(
    ("address", "status"),
    [("s3://lab/secret", 409), ("s3://lab", 409), ("s3://lab/plates/../secret", 422), ("s3://l*b/x", 422), ("x", 422)],
)
def test_what_is_not_allowed_is_refused(operator: Api, s3: FakeS3, address: str, status: int) -> None:
    job = operator.post("/jobs", json={}).json["id"]
    answer = operator.post(f"/jobs/{job}/objects", json={"address": address})
    assert (answer.status_code, s3.requests) == (status, [])


def test_a_viewer_lists_no_bucket(operator: Api, viewer: Api, s3: FakeS3) -> None:
    job = operator.post("/jobs", json={}).json["id"]
    assert viewer.post(f"/jobs/{job}/objects", json={"address": "s3://lab/plates"}).status_code == 403
    assert s3.requests == []


def test_the_client_and_the_command_line_have_the_admin_list_it(
    client: Client, producer: Producer, services: Services
) -> None:
    assert client.submit("s3://lab/plates", name="by client").counts.total == 2
    with pytest.raises(ApiError, match="not in SOURCE_BUCKETS"):
        client.submit("s3://other/plates")
    done = producer("submit", "s3://lab/plates")
    assert "submitted 2 images (which stay where they are)" in done.stderr, done.output
    assert "1 file cannot be used" in done.stderr
    items = services.repository.items(done.stdout.splitlines()[0], limit=5)
    assert [item.path for item in items] == ["a.png", "huge.tif"]
