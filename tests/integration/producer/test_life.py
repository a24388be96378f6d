"""A submission's life: one job however often it is begun or interrupted, of the files as they are."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import update

from devservers.process import START_TIMEOUT_S
from producer import unfinished
from shared.commandline import typed
from shared.db.database import db_now
from shared.db.tables.jobs import JobRow
from shared.errors import ItemErrorCode
from shared.flows.items import all_items
from shared.jobs.records import Failure
from shared.jobs.state import JobStatus
from shared.services import Services
from shared.upkeep.audit import audit
from tests.integration.producer.conftest import Producer, producer_process
from tests.integration.producer.test_resume import make_folder, wait_for_items
from tests.outcomes import all_succeed

FILES = 300


def age(folder: Path) -> None:
    """Make the files of a folder as old as those that nobody still writes to."""
    for path in folder.rglob("*"):
        os.utime(path, ns=(10**18, 10**18 + int.from_bytes(path.name.encode()[:3])))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = make_folder(tmp_path / "scans", FILES)
    age(folder)
    return folder


def interrupt(services: Services, folder: Path, number: signal.Signals = signal.SIGKILL) -> str:
    """Submit, interrupt it half way, and return the id of its job."""
    with producer_process("submit", folder) as process:
        wait_for_items(services, 50, process)
        process.send_signal(number)
        process.communicate(timeout=START_TIMEOUT_S)
    [job] = services.repository.jobs(limit=2)
    assert 50 <= job.counts.total < FILES
    return job.id


def stop_upload(services: Services, job_id: str, seconds: float) -> None:
    with services.database.write() as connection:
        seen = {"submission_seen_at": db_now() - seconds}
        connection.execute(update(JobRow).where(JobRow.id == job_id).values(**seen))


def ids(services: Services) -> list[str]:
    return [job.id for job in services.repository.jobs(limit=9)]


def sources(services: Services, job_id: str) -> dict[str, bytes]:
    items = all_items(services.repository, job_id)
    return {item.path: services.store.get(item.source_key) for item in items if item.source_key}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ends_130(process: "subprocess.Popen[str]") -> str:
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=START_TIMEOUT_S)
    assert process.returncode == 130, said
    return said


def test_what_was_exported_again_since_the_kill_is_taken_anew(
    services: Services, producer: Producer, folder: Path
) -> None:
    job_id = interrupt(services, folder)
    (folder / "000003.png").write_bytes(b"another")
    same = (folder / "000004.png").stat()
    (folder / "000004.png").write_bytes(b"FINE 4")  # of the same size
    assert (folder / "000004.png").stat().st_size == same.st_size
    result = producer("submit", folder)
    assert (result.exit_code, "2 files had changed and went anew" in result.stderr) == (0, True)
    held = sources(services, job_id)
    assert (len(held), held["000003.png"], held["000004.png"]) == (FILES, b"another", b"FINE 4")
    assert ids(services) == [job_id]
    assert audit(services.database, services.store, grace=0.0).is_clean


@pytest.mark.parametrize("renamed", [False, True])
def test_another_host_name_and_a_renamed_folder_go_on(
    services: Services, producer: Producer, folder: Path, monkeypatch: pytest.MonkeyPatch, renamed: bool
) -> None:
    job_id = interrupt(services, folder)
    monkeypatch.setattr(unfinished, "user_at_host", lambda: "somebody@else")
    if renamed:
        folder = folder.rename(folder.parent / "renamed")
    result = producer("submit", folder)
    assert f"going on with job {job_id}" in result.stderr
    assert ids(services) == [job_id]
    assert services.repository.job(job_id).counts.total == FILES


def test_where_the_files_changed_too_the_open_job_is_named(
    services: Services, producer: Producer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = interrupt(services, folder)
    stop_upload(services, job_id, 300.0)
    monkeypatch.setattr(unfinished, "user_at_host", lambda: "somebody@else")
    for path in folder.iterdir():
        path.touch()
    result = producer("submit", folder)
    assert f"--resume {job_id} goes on with it" in result.stderr
    assert len(ids(services)) == 2
    resumed = producer("submit", folder, "--resume", job_id)
    assert resumed.exit_code == 0
    assert services.repository.job(job_id).counts.total == FILES
    refused = producer("submit", folder, "--resume", job_id)
    assert (refused.exit_code, "takes no more images" in refused.stderr) == (2, True)


def test_four_at_once_are_one_job(services: Services, folder: Path) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(producer_process("submit", folder)) for _ in range(4)]
        said = [process.communicate(timeout=START_TIMEOUT_S) for process in processes]
    [job] = services.repository.jobs(limit=9)
    assert [(process.returncode, out.strip()) for process, (out, _) in zip(processes, said, strict=True)] == [
        (0, job.id)
    ] * 4, said
    assert job.counts.total == FILES
    assert sorted(sources(services, job.id)) == [f"{number:06d}.png" for number in range(FILES)]
    assert len(list(services.store.list("jobs/"))) == FILES  # nothing is left of what the slower ones uploaded


def test_ctrl_c_while_waiting_is_gone_on_with_by_the_same_command(
    services: Services, producer: Producer, folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    command = ("submit", folder, "--wait", "--to", tmp_path / "out")
    with producer_process(*command) as process:
        assert process.stderr
        next(line for line in process.stderr if line.startswith("submitted 300 images"))  # from now on it waits
        said = ends_130(process)
    [job_id] = ids(services)
    assert f"the same command or `{typed('producer')} watch {job_id} --to {tmp_path / 'out'}` follows it" in said
    request.getfixturevalue("worker")
    until(lambda: services.repository.job(job_id).state.is_final)  # it ends, and nobody has seen it
    again = producer(*command)
    assert (again.exit_code, f"going on with job {job_id}" in again.stderr) == (0, True)
    assert ids(services) == [job_id]
    assert len(list((tmp_path / "out" / "masks").iterdir())) == FILES
    producer("submit", folder, "--wait")  # its end was seen: this is another one
    assert len(ids(services)) == 2


def test_ctrl_c_while_downloading_is_gone_on_with_by_the_same_command(
    services: Services, worker: None, producer: Producer, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with producer_process("submit", folder, "--to", out) as process:
        until(lambda: (out / "masks").is_dir() and any((out / "masks").iterdir()))
        said = ends_130(process)
    [job_id] = ids(services)
    assert f"`{typed('producer')} download {job_id} {out}`" in said
    again = producer("submit", folder, "--to", out)
    assert (again.exit_code, ids(services)) == (0, [job_id])
    assert (out / "results.csv").exists()


def test_watch_downloads_too(
    services: Services, producer: Producer, worker: None, folder: Path, tmp_path: Path
) -> None:
    job_id = producer("submit", folder).stdout.strip()
    assert producer("watch", job_id, "--to", tmp_path / "out").exit_code == 0
    assert len(list((tmp_path / "out" / "masks").iterdir())) == FILES


def test_an_upload_that_stopped_is_told_and_never_succeeds(
    services: Services, producer: Producer, worker: None, folder: Path
) -> None:
    job_id = interrupt(services, folder)
    until(lambda: not services.repository.job(job_id).counts.pending)
    stop_upload(services, job_id, 1080.0)
    watched = producer("watch", job_id)
    assert watched.exit_code == 2
    assert "upload stopped 18 min ago, after " in watched.stderr.splitlines()[-1]
    assert "upload stopped 18 min ago" in producer("status", job_id).stderr
    assert producer("cancel", job_id).exit_code == 0
    assert services.repository.job(job_id).state is JobStatus.CANCELLED
    assert producer("watch", job_id).exit_code == 4


def test_ctrl_c_at_the_first_upload_leaves_nothing_behind(services: Services, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "scans", 3)
    os.mkfifo(folder / "slow.png")  # not read; the others are on their way meanwhile
    with producer_process("submit", folder) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("submitting"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=START_TIMEOUT_S)
    assert audit(services.database, services.store, grace=0.0).is_clean


def test_that_nobody_works_is_told_within_seconds(services: Services, folder: Path) -> None:
    with producer_process("submit", folder, "--wait") as process:
        assert process.stderr is not None
        lines = []
        while "running?" not in (line := process.stderr.readline()):
            assert process.poll() is None
            lines.append(line)
        assert line.startswith("no worker is running: is ")
        services.workers.report("w", name="w", device="cpu", model="m", images=0)
        assert process.poll() is None
        ends_130(process)


def test_status_tells_that_nobody_works(services: Services, producer: Producer, folder: Path) -> None:
    producer("submit", folder)
    assert "no worker is running" in producer("status", "last").stderr
    services.workers.report("w", name="w", device="cpu", model="m", images=0)
    assert producer("status").stderr == ""
    with services.database.write() as connection:
        connection.exec_driver_sql("UPDATE workers SET seen_at = seen_at - 40")
    assert "no worker has been seen for 40 s: is " in producer("status").stderr


def test_status_of_a_job_at_work_has_rate_and_time_left(services: Services, producer: Producer, folder: Path) -> None:
    job_id = producer("submit", folder).stdout.strip()
    shard_id = _some_shard(services)
    claim = services.claims.claim(shard_id, worker="w")
    assert claim is not None
    time.sleep(0.05)
    services.claims.complete(claim, all_succeed(claim))
    shown = producer("status", job_id, "--json").stdout
    value = json.loads(shown)
    assert value["seconds"] >= 0.05
    assert value["images_per_second"] == pytest.approx(len(claim.items) / value["seconds"], rel=0.02)
    left = (FILES - len(claim.items)) / value["images_per_second"]
    assert value["seconds_left"] == pytest.approx(left, rel=0.02)
    assert "seconds left" in producer("status", job_id).stdout


def test_a_retry_of_a_file_that_ended_early_gives_a_hint(
    services: Services, producer: Producer, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"half")
    job_id = producer("submit", tmp_path / "a.png").stdout.strip()
    claim = services.claims.claim(_some_shard(services), worker="w")
    assert claim is not None
    services.claims.complete(claim, [Failure(claim.items[0].id, ItemErrorCode.TRUNCATED, "it ends early", 0.1)])
    services.repository.close_finished()
    result = producer("retry", job_id)
    assert (result.exit_code, "if the file was still being written, submit it again" in result.stderr) == (0, True)


def _some_shard(services: Services) -> str:
    with services.database.read() as connection:
        return str(connection.exec_driver_sql("SELECT id FROM shards ORDER BY number DESC LIMIT 1").scalar_one())
