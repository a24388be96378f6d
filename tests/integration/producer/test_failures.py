"""What cannot work: one line, the documented exit code, and no half-made job."""

import os
import signal
from pathlib import Path

import pytest

from devservers import S3Endpoint
from devservers.process import free_ports
from producer.display import Display
from producer.watch import watch
from shared.commandline import typed
from shared.errors import DatabaseUnavailable
from shared.jobs.records import Job
from shared.services import Services
from tests.integration.producer.conftest import Producer, producer_process

PATIENCE_SECONDS = 120


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    path.write_bytes(b"fine")
    return path


def refused(producer: Producer, *arguments: str | Path, code: int = 2) -> str:
    """Run what has to fail, and return its one line."""
    result = producer(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def nothing_listens() -> str:
    [port] = free_ports(1)
    return f"127.0.0.1:{port}"


@pytest.mark.parametrize("command", [("submit",), ("demo", "--count", "1")])
def test_wrong_redis_address(
    services: Services, producer: Producer, image: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("BROKER_URL", f"redis://{nothing_listens()}/0")
    arguments = (*command, image) if command == ("submit",) else command
    assert "Redis does not answer" in refused(producer, *arguments, code=3)
    assert services.repository.jobs(limit=1) == []


def test_no_redis_address_at_all(
    services: Services, producer: Producer, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_URL", "nonsense")
    assert "BROKER_URL" in refused(producer, "submit", image)
    assert services.repository.jobs(limit=1) == []


def test_wrong_s3_key(
    services: Services, producer: Producer, image: Path, monkeypatch: pytest.MonkeyPatch, s3_endpoint: S3Endpoint
) -> None:
    s3_endpoint.open("wrong-key").prepare()
    monkeypatch.setenv("STORE_URL", "s3://wrong-key")
    monkeypatch.setenv("S3_ENDPOINT_URL", s3_endpoint.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_endpoint.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert "AWS_SECRET_ACCESS_KEY" in refused(producer, "submit", image)
    assert services.repository.jobs(limit=1) == []


def test_wrong_s3_address(services: Services, producer: Producer, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_URL", "s3://bucket")
    monkeypatch.setenv("S3_ENDPOINT_URL", f"http://{nothing_listens()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert "S3_ENDPOINT_URL" in refused(producer, "submit", image, code=3)
    assert services.repository.jobs(limit=1) == []


@pytest.mark.parametrize("command", ["submit", "status", "watch", "download"])
def test_no_database(environment: Path, producer: Producer, image: Path, tmp_path: Path, command: str) -> None:
    arguments = {"submit": (image,), "status": (), "watch": ("last",), "download": ("last", tmp_path / "out")}
    assert "there is no database" in refused(producer, command, *arguments[command])
    assert not environment.exists()
    assert not (tmp_path / "out").exists()


def test_a_database_that_does_not_answer(
    environment: Path, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://{nothing_listens()}/delineate")
    assert "does not answer" in refused(producer, "status", code=3)


def test_wrong_setting(environment: Path, producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPLOAD_THREADS", "many")
    assert "UPLOAD_THREADS" in refused(producer, "status")


def test_nothing_to_submit(services: Services, producer: Producer, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no image in" in refused(producer, "submit", tmp_path / "empty")
    assert "no such file or folder" in refused(producer, "submit", tmp_path / "missing")
    assert services.repository.jobs(limit=1) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("submit",), "give a folder, files, or a --manifest"),
        (("watch", "no-id!"), "is no job"),
        (("watch", "abcd"), "no job's id ends in abcd"),
        (("watch", "last"), "no job yet"),
        (("cancel", "00000000-0000-7000-8000-000000000000"), "there is no job"),
        (("demo", "--count", "0"), "count is 0"),
        (("demo", "--severity", "2"), "severity"),
        (("demo", "--noise", "loud"), "loud"),
        (("demo", "--count", "1", "--contact-sheet"), "--to DIR"),
        (("download", "last", "out", "--format", "tiff"), "--format"),
    ],
)
def test_wrong_arguments(services: Services, producer: Producer, arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(producer, *arguments)
    assert services.repository.jobs(limit=1) == []


def test_an_ending_that_fits_two_jobs(services: Services, producer: Producer) -> None:
    ids = ["01a206a4-0000-7000-8000-0000000abcde", "01a206a4-0000-7000-8000-0000001abcde"]
    for job_id in ids:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("shared.jobs.submissions.new_id", lambda job_id=job_id: job_id)
            services.repository.create_job("images", name="n", submitted_by="t")  # type: ignore[arg-type]
    assert "several jobs" in refused(producer, "status", "abcde")
    assert producer("status", "0abcde").exit_code == 0


def test_a_contact_sheet_needs_truths(
    services: Services, worker: None, producer: Producer, image: Path, tmp_path: Path
) -> None:
    assert producer("submit", image, "--wait").exit_code == 0
    result = producer("download", "last", tmp_path / "out", "--contact-sheet")
    assert result.exit_code == 2
    assert "synthetic" in result.stderr


def test_a_short_outage_of_the_database_does_not_end_a_watch(
    services: Services, worker: None, image: Path, producer: Producer, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    job_id = producer("submit", image).stdout.strip()
    really_read, failures = services.repository.job, iter([False, True, True, False])

    def read(wanted: str) -> Job:
        if next(failures, False):
            raise DatabaseUnavailable("the database does not answer: away")
        return really_read(wanted)

    monkeypatch.setattr(services.repository, "job", read)
    assert watch(services, job_id, Display()).state == "succeeded"


def test_interrupting_a_wait_leaves_the_job_at_work(services: Services, image: Path) -> None:
    with producer_process("submit", image, "--wait") as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("submitted"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    [job] = services.repository.jobs(limit=2)
    assert process.returncode == 130
    assert said.count("\n") == 1
    assert f"`{typed('producer')} watch {job.id}`" in said
    assert f"`{typed('producer')} cancel {job.id}`" in said
    assert (job.state, job.counts.pending) == ("queued", 1)


def test_a_reader_that_goes_away_is_no_error(services: Services) -> None:
    with producer_process("status") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
        assert process.wait(PATIENCE_SECONDS) != os.EX_SOFTWARE
