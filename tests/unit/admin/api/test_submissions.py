"""Jobs that are filled a few images at a time; a batch that is sent again changes nothing."""

import io
import json

import pytest

from shared.errors import Outrun
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.state import ItemStatus
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.api.conftest import Api
from tests.unit.admin.conftest import NOTHING

PNG, OTHER = (simulated_worker.encode_grey(simulated_worker.synthesise(n, size=64).image) for n in (1, 2))


def batch(*files: tuple[str, bytes], **fields: object) -> dict[str, object]:
    details = {"details": json.dumps(fields.pop("details"))} if "details" in fields else {}
    return {"images": [(io.BytesIO(data), name) for name, data in files], **fields, **details}


def begin(operator: Api, **body: object) -> str:
    return operator.post("/jobs", json=body).json["id"]


def test_a_job_is_filled_and_gone_on_with(operator: Api, services: Services) -> None:
    first = operator.post("/jobs", json={"name": "folder", "key": "k", "priority": "low", "scale": "auto"})
    assert (first.status_code, first.json["uploading"], first.json["scale"]) == (201, True, "auto")
    job = first.json["id"]
    assert operator.post(f"/jobs/{job}/images", data=batch(("a.png", PNG), ("d/b.png", OTHER))).json == {
        "added": 2, "known": 0, "replaced": 0, "failed": 0,
    }  # fmt: skip
    # The answer was lost, and the sender begins again.
    again = operator.post("/jobs", json={"name": "folder", "key": "k"})
    assert (again.status_code, again.json["id"]) == (200, job)
    sent = operator.post(f"/jobs/{job}/images", data=batch(("a.png", PNG), ("c.png", b"no image"), ("e.png", b"")))
    assert sent.json == {"added": 2, "known": 1, "replaced": 0, "failed": 0}
    assert operator.post(f"/jobs/{job}/seal").json["uploading"] is False
    assert operator.post(f"/jobs/{job}/seal").status_code == 200
    assert operator.post(f"/jobs/{job}/images", data=batch(("z.png", PNG))).status_code == 409
    assert [item.path for item in services.repository.items(job, limit=9)] == ["a.png", "d/b.png", "c.png", "e.png"]
    simulated_worker.process(services, job)
    assert operator.get(f"/jobs/{job}").json["state"] == "partial"
    assert operator.get(f"/jobs/{job}/summary").json["failures"] == {"empty_file": 1, "not_an_image": 1}
    assert operator.post("/jobs", json={"name": "folder", "key": "k"}).status_code == 201


def test_a_job_that_another_request_was_first_to_begin_and_seal_is_followed_by_a_new_one(
    operator: Api, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, seen = type(services.repository).create_job, []

    def outrun_once(*arguments: object, **options: object) -> str:
        seen.append(options)
        if len(seen) == 1:
            raise Outrun("another request is there already")
        return create(*arguments, **options)

    monkeypatch.setattr(type(services.repository), "create_job", outrun_once)
    assert operator.post("/jobs", json={"key": "k"}).status_code == 201
    assert operator.post("/jobs", json={"key": "k"}).status_code == 200


def test_another_image_of_the_same_name_is_refused_or_replaces(operator: Api, services: Services) -> None:
    job = begin(operator)
    operator.post(f"/jobs/{job}/images", data=batch(("a.png", PNG)))
    refused = operator.post(f"/jobs/{job}/images", data=batch(("a.png", OTHER), ("b.png", PNG)))
    assert (refused.status_code, refused.json["type"]) == (409, "/api/v1/problems/conflict")
    assert "'a.png'" in refused.json["detail"]
    assert services.repository.job(job).counts.total == 1
    done = operator.post(f"/jobs/{job}/images", data=batch(("a.png", OTHER), replace="true")).json
    assert (done["added"], done["replaced"]) == (0, 1)
    [item] = services.repository.items(job, limit=9)
    assert services.store.get(item.source_key) == OTHER
    by_name = operator.post(f"/jobs/{job}/images", data=batch(("a.png", PNG), details={"replace": ["a.png"]}))
    assert by_name.json["replaced"] == 1


def test_a_sender_tells_what_it_knows_of_files(operator: Api, services: Services) -> None:
    job = begin(operator)
    deep = "/".join("abcdefghij") + ".png"
    details = {
        "paths": [deep],
        "modified": {deep: 1_700_000_000_000_000_001},
        "failed": [{"path": "x.png", "code": "unreadable", "error": "permission denied"}],
        "described": {"x.png": {"plate": "7"}},
    }
    assert operator.post(f"/jobs/{job}/images", data=batch(("x", PNG), details=details)).json["failed"] == 1
    found = operator.post(f"/jobs/{job}/known", json={"paths": [deep, "x.png", "other.png"]}).json["files"]
    assert found == {deep: {"size": len(PNG), "modified": 1_700_000_000_000_000_001}, "x.png": None}
    failed = services.repository.items(job, limit=9, states=[ItemStatus.FAILED])
    assert [item.described for item in failed] == [{"plate": "7"}]
    assert [(item.path, item.error_code, item.error) for item in failed] == [
        ("x.png", "unreadable", "permission denied")
    ]
    assert operator.post(f"/jobs/{job}/images", data=batch(("x", PNG), details=details)).json["known"] == 2


@pytest.mark.parametrize(
    "details",
    ["{", "[]", {"paths": ["../a"]}, {"paths": ["/a"]}, {"paths": ["a", "b"]}, {"paths": ["a\0"]}, {"more": 1},
     {"failed": [{"path": "a", "code": "none", "error": ""}]}, {"modified": {"a": -1}}, {"paths": [""]}],
)  # fmt: skip
def test_details_that_do_not_fit_are_named(operator: Api, details: object) -> None:
    text = details if isinstance(details, str) else json.dumps(details)
    answer = operator.post(f"/jobs/{begin(operator)}/images", data=batch(("a.png", PNG)) | {"details": text})
    assert answer.status_code == 422
    assert answer.json["fields"][0]["field"].startswith("details")


def test_a_batch_without_images_or_with_one_path_twice(operator: Api) -> None:
    job = begin(operator)
    for data in ({}, {"other": (io.BytesIO(PNG), "a.png")}, batch(("a.png", PNG), ("a.png", OTHER))):
        answer = operator.post(f"/jobs/{job}/images", data=data, content_type="multipart/form-data")
        assert answer.status_code == 422


def test_what_takes_no_images(operator: Api, services: Services) -> None:
    synthetic = submit_synthetic(services, SyntheticSpec(1), name="job", submitted_by="ana")
    assert operator.post(f"/jobs/{synthetic}/images", data=batch(("a.png", PNG))).status_code == 409
    assert operator.post(f"/jobs/{NOTHING}/images", data=batch(("a.png", PNG))).status_code == 404
    assert operator.post(f"/jobs/{NOTHING}/seal").status_code == 404
    assert operator.post(f"/jobs/{NOTHING}/known", json={"paths": []}).status_code == 404


def test_an_empty_job_can_be_taken_back(operator: Api) -> None:
    job = begin(operator)
    assert operator.send("DELETE", f"/jobs/{job}").status_code == 204
    assert operator.send("DELETE", f"/jobs/{job}").status_code == 404
    full = begin(operator)
    operator.post(f"/jobs/{full}/images", data=batch(("a.png", PNG)))
    assert operator.send("DELETE", f"/jobs/{full}").status_code == 409


def test_an_interrupted_submission_is_found(operator: Api, services: Services) -> None:
    job = begin(operator, key="k")
    found = operator.post("/submissions/find", json={"key": "k"}).json
    assert found == {"unsealed": job, "awaited": None, "others": [job]}
    assert operator.post(f"/jobs/{job}/submission", json={"key": "other", "awaited": True}).status_code == 204
    assert operator.post("/submissions/find", json={"key": "k"}).json["unsealed"] is None
    operator.post(f"/jobs/{job}/images", data=batch(("a.png", PNG)))
    operator.post(f"/jobs/{job}/seal")
    assert operator.post("/submissions/find", json={"key": "other"}).json["awaited"] == job
    operator.post(f"/jobs/{job}/submission", json={"awaited": False})
    assert operator.post("/submissions/find", json={"key": "other"}).json["awaited"] is None


def test_jobs_by_the_ending_of_their_ids(operator: Api) -> None:
    job = begin(operator)
    assert [found["id"] for found in operator.get(f"/jobs?id_ends={job[-8:]}").json["jobs"]] == [job]
    assert operator.get("/jobs?id_ends=ffffffff").json["jobs"] == []
    assert operator.get("/jobs?id_ends=x").status_code == 422
