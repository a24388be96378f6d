"""What somebody waits for: one image in, its mask out; a demo; waits, and what is said when they are over."""

import io
from base64 import b64decode

import numpy as np
import pytest
from flask import Flask
from PIL import Image

from admin.api import interactive
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.records import Priority
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.api.conftest import Api, report_worker, working

SAMPLE = simulated_worker.synthesise(1, size=64)
PNG = simulated_worker.encode_grey(SAMPLE.image)


def form(data: bytes = PNG, name: str = "a.png") -> dict[str, object]:
    return {"file": (io.BytesIO(data), name)}


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.mode == "L"
        return np.asarray(picture)


def test_an_image_in_and_its_mask_out(operator: Api, services: Services) -> None:
    with working(services):
        answer = operator.post("/predict", data=form())
        told = operator.post("/predict/json", data=form(name="b/b.png")).json
        bad = operator.post("/predict", data=form(b"no image", "x.png"))
        again = [operator.post("/predict", data=form(), headers={"Idempotency-Key": "1"}) for _ in range(2)]
    assert (answer.status_code, answer.mimetype) == (200, "image/png")
    np.testing.assert_array_equal(pixels(answer.data), np.where(SAMPLE.image > 128, 255, 0))
    job = operator.get(answer.headers["Location"].removeprefix("/api/v1")).json
    assert (job["state"], job["priority"], job["submitted_by"]) == ("succeeded", Priority.HIGH, "ana (API)")
    assert pixels(b64decode(told["mask"])).tolist() == pixels(answer.data).tolist()
    assert set(np.unique(pixels(b64decode(told["probability"])))) <= {10, 240}
    assert (told["item"]["path"], told["item"]["state"]) == ("b/b.png", "succeeded")
    assert bad.status_code == 422
    assert bad.json["type"] == "/api/v1/problems/image-unusable"
    assert (bad.json["code"], bad.json["job"]) == ("not_an_image", bad.headers["Location"])
    assert again[0].headers["Location"] == again[1].headers["Location"]
    assert again[0].data == again[1].data


def test_a_demo_scores_a_generated_image(operator: Api, services: Services) -> None:
    with working(services):
        answer = operator.get("/demo?num_dots=40&jitter=0.03&seed=5")
        plain = operator.get("/demo")
    found = answer.json
    assert (found["num_dots"], found["jitter"], found["seed"]) == (40, 0.03, 5)
    pictures = [pixels(b64decode(found[name])) for name in ("image", "truth", "mask", "probability")]
    assert {picture.shape for picture in pictures} == {(512, 512)}
    truth, mask = (picture > 0 for picture in pictures[1:3])
    assert found["dice"] == pytest.approx(2 * (truth & mask).sum() / (truth.sum() + mask.sum()), abs=1e-6)
    assert (plain.json["num_dots"], plain.json["jitter"]) == (40, 0.03)
    for wrong in ("num_dots=0", "num_dots=x", "jitter=0.9", "jitter=nan", "noise=pink", "more=1", "seed=-1"):
        refused = operator.get(f"/demo?{wrong}")
        assert refused.status_code == 422
        assert [each["field"] for each in refused.json["fields"]] == [wrong.partition("=")[0]]


def test_a_wait_that_is_over_names_the_job(operator: Api, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactive, "DEFAULT_WAIT_SECONDS", 0.05)
    nobody = operator.post("/predict", data=form())
    assert (nobody.status_code, nobody.json["type"]) == (503, "/api/v1/problems/no-worker")
    report_worker(services)
    late = operator.post("/predict/json", data=form())
    assert (late.status_code, late.json["type"]) == (504, "/api/v1/problems/not-segmented-yet")
    for answer in (nobody, late):
        assert answer.headers["Retry-After"]
        assert answer.json["job"] == answer.headers["Location"]
        assert operator.get(answer.json["job"].removeprefix("/api/v1")).json["state"] == "queued"
    asked = operator.post("/predict", data=form(), headers={"Prefer": "respond-async"})
    assert (asked.status_code, asked.data) == (202, b"")
    assert operator.get(asked.headers["Location"].removeprefix("/api/v1")).json["counts"]["total"] == 1


def test_without_a_worker_nobody_waits_for_long(
    operator: Api, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interactive, "_WORKER_SECONDS", 0.05)
    assert operator.post("/predict", data=form()).status_code == 503  # and not after half a minute


def test_what_is_no_single_file_is_refused(operator: Api) -> None:
    def parts(*names: str) -> list[tuple[io.BytesIO, str]]:
        return [(io.BytesIO(PNG), name) for name in names]

    for path in ("/predict", "/predict/json"):
        several = {"file": parts("a.png", "b.png")}
        for data in (several, {"image": parts("a.png")}, {"file": "text"}, {}, form() | {"scale": "9"}):
            answer = operator.post(path, data=data, content_type="multipart/form-data")
            assert answer.status_code == 422
            assert answer.json["fields"][0]["field"].split(".")[0] in ("file", "scale")
    assert operator.post("/predict", data=PNG, content_type="image/png").status_code == 415


def test_a_job_is_answered_for_at_its_end(operator: Api, services: Services) -> None:
    job = submit_synthetic(services, SyntheticSpec(2), name="job", submitted_by="ana")
    for preference in ("wait=0", "wait=nonsense", "handling=lenient"):
        assert operator.get(f"/jobs/{job}", headers={"Prefer": preference}).json["state"] == "queued"
    with working(services):
        answer = operator.get(f"/jobs/{job}", headers={"Prefer": "respond-async, wait=50"}) and operator.get(
            f"/jobs/{job}", headers={"Prefer": "handling=strict, wait=50"}
        )
        made = operator.post("/jobs/synthetic", json={"count": 1}, headers={"Prefer": "wait=50"})
    assert answer.json["state"] == "succeeded"
    assert answer.headers["Preference-Applied"] == "wait=50"
    assert (made.status_code, made.json["state"]) == (201, "succeeded")


def test_health_tells_the_device(app: Flask, services: Services) -> None:
    services.store.prepare()
    stranger = app.test_client()
    assert stranger.get("/health").json == {"status": "no worker", "device": None, "workers": 0}
    report_worker(services)
    report_worker(services)
    answer = stranger.get("/health")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "device": "cpu", "workers": 2})
