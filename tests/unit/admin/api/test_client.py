"""The Python client and `producer --api` against the real API on a real socket."""

import contextlib
import csv
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from click.testing import CliRunner

from admin.domain import tokens
from admin.domain.roles import Role
from delineate_client import ApiError, ApiUnavailable, Client, WaitTimeout
from delineate_client.connection import Connection
from producer.cli import main
from shared.jobs.records import Priority
from shared.services import Services
from tests.unit.admin.api.conftest import GREY, PNG, Producer, working


def test_arrays_go_in_and_come_out(client: Client, services: Services) -> None:
    images = {"grey": GREY, "deep": GREY.astype(np.uint16) * 257, "float": GREY / 255.0, "file.png": PNG}
    job = client.submit(images, name="arrays", priority="high")
    assert (job.counts.total, job.name, job.priority, job.has_ended) == (4, "arrays", Priority.HIGH, False)
    with pytest.raises(WaitTimeout, match="it goes on"):
        client.wait(job, timeout=0.05)
    seen: list[int] = []
    with working(services):
        job = client.wait(job, timeout=60, on_progress=lambda job: seen.append(job.counts.finished))
        one = client.predict(GREY)
    assert (job.state, seen[-1]) == ("succeeded", 4)
    results = list(client.results(job))
    assert [result.item.path for result in results] == ["grey.png", "deep.png", "float.tif", "file.png"]
    for result in [*results, one]:
        assert (result.mask.dtype, result.mask.shape) == (np.bool_, (64, 64))
        assert result.probability.dtype == np.float32
        np.testing.assert_array_equal(result.mask, results[0].mask)
        assert np.abs(result.probability - np.where(result.mask, 240, 10) / 255).max() < 1e-6
    np.testing.assert_array_equal(results[0].mask, GREY > 128)
    assert 0 < results[0].item.measurements["foreground"] < 1


def test_a_folder_is_submitted_and_its_results_downloaded(
    client: Client, services: Services, folder: Path, tmp_path: Path
) -> None:
    job = client.submit(folder, recursive=True)
    with working(services):
        job = client.wait(job, timeout=60)
    assert (job.state, job.counts.failed) == ("partial", 1)
    [bad] = client.items(job, state="failed")
    assert (bad.path, bad.error_code) == ("bad.png", "not_an_image")
    assert [result.mask is None for result in client.results(job)] == [False, False, True, False]
    target = client.download(job, tmp_path / "out")
    assert (target / "masks" / "deep" / "c.png").exists()
    assert client.jobs(limit=1)[0].id == job.id


def test_a_job_is_cloned_from_python_and_from_the_command_line(
    client: Client, producer: Producer, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = client.submit({"a.png": PNG}, name="first", threshold=0.25, scale="auto")
    made = client.clone(first, threshold=None, name="own")
    again, here = producer("clone", first.id, "--scale", "0.5", "--priority", "high"), made.id
    assert again.exit_code == 0, again.stderr
    assert f"1 image of {first.id}" in again.stderr
    monkeypatch.setattr("producer.clone.opened", lambda: contextlib.nullcontext(services))  # beside the stack
    assert CliRunner().invoke(main, ["clone", here, "--threshold", "0.5", "--model", "active"]).exit_code == 0
    jobs = [services.repository.job(job.id) for job in client.jobs(limit=3)]
    assert [(job.name, job.threshold, job.scale, job.priority, job.inputs_of) for job in jobs] == [
        ("own, again", 0.5, 0.0, Priority.NORMAL, first.id),
        ("first, again", 0.25, 0.5, Priority.HIGH, first.id),
        ("own", None, 0.0, Priority.NORMAL, first.id),
    ]
    wrong = producer("clone", first.id, "--scale", "9")
    assert (wrong.exit_code, "scale is 9" in wrong.stderr) == (2, True)


def test_an_interrupted_submission_sends_what_is_missing(
    client: Client, services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    send = Connection._send

    def cut(self: Connection, method: str, path: str, **options: object) -> object:
        if path.endswith("/images"):
            sent.append(len(options["files"]) - 1)
        if path.endswith("/seal") and len(sent) == 1:
            raise KeyboardInterrupt
        return send(self, method, path, **options)

    monkeypatch.setattr(Connection, "_send", cut)
    with pytest.raises(KeyboardInterrupt):
        client.submit(folder, key="mine")
    (folder / "d.png").write_bytes(PNG)
    job = client.submit(folder, key="mine")
    assert sent == [3, 1]
    assert (job.counts.total, len(services.repository.jobs(limit=9))) == (4, 1)


def test_what_may_pass_is_tried_again_and_what_may_not_is_told(token: str) -> None:
    answers: list[httpx.Response | Exception] = [
        httpx.ConnectError("refused"),
        httpx.Response(502, text="<html>"),
        httpx.Response(503, json={"type": "/api/v1/problems/unavailable", "detail": "away"}),
        httpx.Response(200, json={"jobs": []}),
    ]

    def answer(_request: httpx.Request) -> httpx.Response:
        found = answers.pop(0) if answers else httpx.ConnectError("refused")
        if isinstance(found, Exception):
            raise found
        return found

    with Client("http://api", token, patience=30, transport=httpx.MockTransport(answer)) as client:
        assert client.jobs() == []
        answers[:] = [
            httpx.Response(504, json={"type": "/api/v1/problems/not-segmented-yet", "detail": "x", "job": "/j"})
        ]
        with pytest.raises(ApiError) as late:
            client.predict(GREY)
        assert (late.value.kind, late.value.job) == ("not-segmented-yet", "/j")
    with (
        Client("http://api", token, patience=0, transport=httpx.MockTransport(answer)) as client,
        pytest.raises(ApiUnavailable, match="does not answer"),
    ):
        client.jobs()
    answers[:] = [httpx.Response(503, headers={"Retry-After": "3600"}, json={"detail": "away"})]
    with (
        Client("http://api", token, patience=30, transport=httpx.MockTransport(answer)) as client,
        pytest.raises(ApiUnavailable, match="away"),
    ):
        client.jobs()  # and is not waited for


def test_what_is_refused_says_what_to_do(client: Client, tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="limit") as wrong:
        client.jobs(limit=0)
    assert (wrong.value.status, wrong.value.kind, set(wrong.value.fields)) == (422, "invalid-values", {"limit"})
    with pytest.raises(ValueError, match="no image"):
        client.submit(tmp_path)
    with pytest.raises(ValueError, match="uint8"):
        client.submit({"a": np.zeros((2, 2, 2))})


def test_the_command_line_works_through_the_api(
    producer: Producer, services: Services, folder: Path, tmp_path: Path
) -> None:
    with working(services):
        done = producer("submit", folder, "-r", "--to", tmp_path / "out", "--json", "--priority", "high")
        shown = json.loads(done.stdout)
        assert done.exit_code == 1, done.output
        demo = producer("demo", "--count", "2", "--wait", "--to", tmp_path / "demo", "--contact-sheet")
    assert demo.exit_code == 0, demo.output
    assert "scores against the truth" in demo.stdout
    assert (tmp_path / "demo" / "contact-sheet.png").exists()
    assert (shown["state"], shown["counts"]["succeeded"], shown["counts"]["failed"]) == ("partial", 3, 1)
    assert shown["summary"]["failures"]["not_an_image"]["examples"][0]["path"] == "bad.png"
    job = services.repository.job(shown["job"])
    assert (job.submitted_by, job.priority, job.name) == ("ana (API)", Priority.HIGH, "images")
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8") as table:
        states = {row["path"]: row["state"] for row in csv.DictReader(table)}
    assert {path for path, state in states.items() if state == "failed"} == {"bad.png"}
    assert len(states) == 4
    assert (tmp_path / "out" / "masks" / "deep" / "c.png").exists()
    again = producer("download", job.id[-8:], tmp_path / "out")
    assert "(6 were there already)" in again.stderr
    export = ("export", job.id, "--to", tmp_path / "exported", "--format")
    assert producer(*export, "objects-csv").exit_code == 0
    assert (tmp_path / "exported" / "objects.csv").exists()
    some = ("masks", "--where", "state=failed,succeeded", "--only", "deep/*", "--only", "bad.png")
    assert producer("export", job.id, "--to", tmp_path / "some", "--format", *some).exit_code == 0
    assert [path.name for path in (tmp_path / "some").rglob("*.png")] == ["c.png"]
    missing = json.loads((tmp_path / "some" / "manifest.json").read_bytes())["missing"]
    assert [entry["path"] for entry in missing] == ["bad.png"]
    unknown = producer("export", job.id, "--to", tmp_path / "x", "--format", "corrections")
    assert unknown.exit_code == 2
    assert "run the command without --api" in unknown.stderr
    listed = json.loads(producer("status", "--json").stdout)["jobs"]
    assert [found["job"] for found in listed][-1] == job.id
    assert "partial" in producer("status", "last" if listed[0]["job"] == job.id else job.id).stdout
    retried = producer("retry", job.id)
    assert "runs again: 1 image" in retried.stderr
    assert "--api http://127.0.0.1:" in retried.stderr
    cancelled = producer("cancel", job.id)
    assert (cancelled.exit_code, "cancelled job" in cancelled.stderr) == (0, True)
    assert producer("watch", job.id).exit_code == 4
    refused = producer("cancel", job.id)
    assert refused.exit_code == 2
    assert refused.stderr.startswith("error: ")
    assert producer("status", "ffffffff").exit_code == 2


def test_a_submission_that_was_cut_goes_on_through_the_api(
    producer: Producer, services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object, **_more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr("producer.remote.repository.RemoteRepository.seal", interrupt)
        stopped = producer("submit", folder)
    assert stopped.exit_code == 130
    assert "the same command goes on where it was" in stopped.stderr
    [job] = services.repository.jobs(limit=9)
    assert (job.sealed_at, job.counts.total) == (None, 3)
    (folder / "e.png").write_bytes(PNG)
    done = producer("submit", folder)
    assert done.exit_code == 0, done.output
    assert f"going on with job {job.id}" in done.stderr
    [job] = services.repository.jobs(limit=9)
    assert (job.sealed_at is not None, job.counts.total) == (True, 4)


def test_who_may_not_is_told_in_one_line(
    producer: Producer, services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = tokens.create(services.database, "ana", "reads", Role.VIEWER)
    for token, told in (("dln_" + "x" * 43, "does not know the token"), (viewer, "may not do that"), ("", "a token")):
        monkeypatch.setenv("DELINEATE_TOKEN", token)
        answer = producer("submit", folder)
        assert answer.exit_code == 2
        [line] = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
        assert told in line
    assert services.repository.jobs(limit=1) == []
    away = CliRunner().invoke(main, ["--api", "http://127.0.0.1:9", "status"], env={"DELINEATE_TOKEN": viewer})
    assert away.exit_code == 3
    assert CliRunner().invoke(main, ["--api", "nowhere", "status"]).exit_code == 2
