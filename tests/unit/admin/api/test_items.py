"""Items, their files and their results by the HTTP API; every answer is held against its document."""

import io
import zipfile

import numpy as np
import pytest
from sqlalchemy import update

from shared.db.tables.jobs import ItemRow
from shared.flows.exports.registry import EXPORTS
from shared.images.codec import encode_mask, encode_probability
from shared.objects.table import OBJECT_COLUMNS
from shared.services import Services
from tests.unit.admin.api.conftest import Api
from tests.unit.admin.conftest import NOTHING


def test_items_come_in_pages_and_by_state(operator: Api, services: Services, job: str) -> None:
    first = operator.get(f"/jobs/{job}/items?limit=3").json
    second = operator.get(f"/jobs/{job}/items?limit=3&after={first['next']}").json
    assert [item["number"] for item in first["items"] + second["items"]] == [0, 1, 2, 3, 4]
    assert second["next"] is None
    assert operator.get(f"/jobs/{job}/items?state=failed").json["items"] == []
    assert operator.get(f"/jobs/{NOTHING}/items").status_code == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=501", "limit"), ("limit=x", "limit"), ("after=-2", "after"), ("after=x", "after"),
        ("state=done", "state.0"), ("unknown=1", "unknown"), ("sort=size", "sort"),
    ],
)  # fmt: skip
def test_a_query_that_does_not_fit_is_named(operator: Api, job: str, query: str, field: str) -> None:
    answer = operator.get(f"/jobs/{job}/items?{query}")
    assert answer.status_code == 422
    assert [found["field"] for found in answer.json["fields"]] == [field]


def test_results_that_stand_out_are_marked_and_found(operator: Api, services: Services, job: str) -> None:
    first, second, *_ = services.repository.items(job, limit=9)
    with services.database.write() as connection:
        connection.execute(update(ItemRow).where(ItemRow.id == first.id).values(foreground=0.0, reason="constant"))
        strange = {"familiarity": 0.001, "reason": "unlike_training"}
        connection.execute(update(ItemRow).where(ItemRow.id == second.id).values(**strange))
    empty, unfamiliar = (operator.get(f"/items/{item.id}").json for item in (first, second))
    assert (empty["finding"], empty["marks"], empty["familiarity"]) == ("nothing", ["nothing_found"], None)
    assert (unfamiliar["finding"], unfamiliar["marks"]) == ("found", ["unfamiliar"])
    assert unfamiliar["explanation"].startswith("This picture looks unlike anything")
    with services.database.write() as connection:
        connection.execute(update(ItemRow).where(ItemRow.id == second.id).values(note="pages: first of 3 pages"))
    assert operator.get(f"/items/{second.id}").json["marks"] == ["unfamiliar", "noted"]
    for mark, item in (("nothing_found", first), ("unfamiliar", second), ("noted", second)):
        found = operator.get(f"/jobs/{job}/items?mark={mark}").json
        assert [each["id"] for each in found["items"]] == [item.id]


def test_an_item_and_its_files(operator: Api, services: Services, job: str) -> None:
    item = operator.get(f"/jobs/{job}/items?limit=1").json["items"][0]
    assert operator.get(f"/items/{item['id']}").json == item
    assert item["files"] == ["source", "mask", "probability", "truth"]
    stored = services.repository.item(item["id"])
    assert stored is not None
    for name, key in (("mask", stored.mask_key), ("source", stored.source_key)):
        answer = operator.get(f"/items/{item['id']}/files/{name}")
        assert answer.data == services.store.get(key)
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=synthetic-000000")
    assert operator.client.get(f"/api/v1/items/{item['id']}/files/other", headers=operator.headers).status_code == 404
    services.store.delete([stored.mask_key])
    assert operator.get(f"/items/{item['id']}/files/mask").status_code == 404
    assert operator.get(f"/items/{NOTHING}").status_code == 404


def test_the_objects_of_an_item_come_in_pages(
    operator: Api, services: Services, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [item] = services.repository.items(job, limit=1)
    mask = np.zeros((64, 80), dtype=bool)
    mask[4:10, 5:25] = mask[30:40, 30:36] = mask[60:, 70:] = True
    services.store.put(item.mask_key or "", encode_mask(mask))
    services.store.put(item.probability_key or "", encode_probability(np.where(mask, 255, 0).astype(np.uint8)))
    told = operator.get(f"/items/{item.id}/objects").json
    assert (told["total"], [each["area_px"] for each in told["objects"]]) == (3, [120, 60, 40])
    assert [each["touches_border"] for each in told["objects"]] == [False, False, True]
    assert list(told["objects"][0]) == list(OBJECT_COLUMNS)
    page = operator.get(f"/items/{item.id}/objects?limit=1&after=1").json
    assert (page["total"], page["objects"]) == (3, told["objects"][1:2])
    monkeypatch.setattr("admin.web.measured_objects.MAX_PIXELS", 9)
    assert "objects-csv" in operator.get(f"/items/{item.id}/objects").json["detail"]


def test_a_file_is_saved_under_a_name_that_any_system_takes(operator: Api, services: Services, job: str) -> None:
    item = services.repository.items(job, limit=1)[0]
    for path, name in (
        ("a/ünï: scan?.tif", "filename=\"_n__ scan_-mask.png\"; filename*=UTF-8''%C3%BCn%C3%AF_%20scan_-mask.png"),
        ("con.x.png", "filename=_con.x-mask.png"),
        ("x" * 300 + ".png", "~"),
    ):
        with services.database.write() as connection:
            connection.execute(update(ItemRow).where(ItemRow.id == item.id).values(path=path))
        assert name in operator.get(f"/items/{item.id}/files/mask").headers["Content-Disposition"]


def test_a_file_that_was_cut_goes_on(operator: Api, services: Services, job: str) -> None:
    item = services.repository.items(job, limit=1)[0]
    address = f"/items/{item.id}/files/mask"
    whole = operator.get(address)
    etag, length = whole.headers["ETag"], len(whole.data)
    assert (whole.headers["Accept-Ranges"], whole.headers["Content-Length"]) == ("bytes", str(length))

    def part(of: str, **more: str) -> tuple[int, bytes, str | None]:
        answer = operator.get(address, headers={"Range": of} | {n.replace("_", "-"): v for n, v in more.items()})
        return answer.status_code, answer.data, answer.headers.get("Content-Range")

    assert part("bytes=0-99") == (206, whole.data[:100], f"bytes 0-99/{length}")
    assert part("bytes=100-") == (206, whole.data[100:], f"bytes 100-{length - 1}/{length}")
    assert part("bytes=-10") == (206, whole.data[-10:], f"bytes {length - 10}-{length - 1}/{length}")
    assert part("bytes=100-", If_Range=etag) == (206, whole.data[100:], f"bytes 100-{length - 1}/{length}")
    assert part(f"bytes={length}-")[::2] == (416, f"bytes */{length}")
    assert operator.get(address, headers={"If-None-Match": etag}).status_code == 304
    # Segmented again: what is left of the old one fits no more.
    with services.database.write() as connection:
        connection.execute(update(ItemRow).where(ItemRow.id == item.id).values(finished_at=item.finished_at + 1))
    assert part("bytes=100-", If_Range=etag) == (200, whole.data, None)
    assert operator.get(address).headers["ETag"] != etag


def test_results_as_a_zip(operator: Api, job: str) -> None:
    assert operator.get(f"/jobs/{job}/results.zip", headers={"Range": "bytes=5-"}).status_code == 206
    with zipfile.ZipFile(io.BytesIO(operator.get(f"/jobs/{job}/results.zip").data)) as archive:
        assert "results.csv" in archive.namelist()


def test_the_formats_of_results_are_an_enum(operator: Api, job: str) -> None:
    declared = operator.document["paths"]["/api/v1/jobs/{job_id}/results.zip"]["get"]["parameters"]
    [parameter] = [parameter for parameter in declared if parameter["name"] == "format"]
    assert (parameter["in"], parameter["required"]) == ("query", False)
    assert parameter["schema"]["enum"] == list(EXPORTS)
    assert parameter["schema"]["default"] == "results"
    for name, export in EXPORTS.items():
        assert f"`{name}`: {export.description}." in parameter["schema"]["description"]
        assert operator.get(f"/jobs/{job}/results.zip?format={name}").status_code == 200
    refused = operator.get(f"/jobs/{job}/results.zip?format=tiff")
    assert refused.status_code == 422
    [field] = refused.json["fields"]
    assert field["field"] == "format"
    assert f"there is no export 'tiff': choose one of {', '.join(EXPORTS)}" in field["reason"]
