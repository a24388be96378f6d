"""An interrupted submission goes on where it was; memory stays flat."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from devservers.process import START_TIMEOUT_S
from shared.flows.items import all_items
from shared.services import Services
from tests.integration.producer.conftest import COMMAND, Producer, producer_process

FILES = 1_000
INTERRUPTED_AT = 100
# Together so large that a producer which kept them would be seen to.
LARGE_FILES = 2_000
LARGE_FILE_BYTES = 64 * 1024


def make_folder(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:06d}.png").write_bytes(b"fine %d" % number)
    return folder


def wait_for_items(services: Services, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (jobs := services.repository.jobs(limit=1)) or jobs[0].counts.total < count:
        assert process.poll() is None, "it ended before it could be interrupted"
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_submit_goes_on_after(services: Services, producer: Producer, tmp_path: Path, number: signal.Signals) -> None:
    folder = make_folder(tmp_path / "scans", FILES)
    with producer_process("submit", folder) as process:
        wait_for_items(services, INTERRUPTED_AT, process)
        process.send_signal(number)
        _, said = process.communicate(timeout=START_TIMEOUT_S)
    [interrupted] = services.repository.jobs(limit=2)
    assert INTERRUPTED_AT <= interrupted.counts.total < FILES
    assert interrupted.sealed_at is None
    if number is signal.SIGINT:
        assert process.returncode == 130
        assert said.endswith("error: interrupted; the same command goes on where it was\n")

    result = producer("submit", folder)
    assert result.exit_code == 0
    assert f"going on with job {interrupted.id}" in result.stderr
    [job] = services.repository.jobs(limit=2)
    assert (job.id, job.counts.total) == (interrupted.id, FILES)
    items = list(all_items(services.repository, job.id))
    assert sorted(item.path for item in items) == [f"{number:06d}.png" for number in range(FILES)]
    assert all(services.store.get(str(item.source_key)) == b"fine %d" % int(item.path[:6]) for item in items[::97])


def test_the_same_command_after_a_complete_one_makes_another_job(
    services: Services, producer: Producer, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "scans", 3)
    ids = {producer("submit", folder).stdout.strip() for _ in range(2)}
    assert len(ids) == 2


def test_memory_stays_flat(services: Services, tmp_path: Path) -> None:
    one = tmp_path / "one.png"
    one.write_bytes(b"x" * LARGE_FILE_BYTES)
    many = tmp_path / "many"
    many.mkdir()
    for number in range(LARGE_FILES):
        (many / f"{number:06d}.png").hardlink_to(one)
    assert peak_memory(many) - peak_memory(one) < LARGE_FILES * LARGE_FILE_BYTES / 4


def peak_memory(path: Path) -> int:
    """Submit a folder or file in a process of its own and return its largest resident size in bytes."""
    script = (
        "import resource\n"
        "from producer.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)\n"
    )
    done = subprocess.run(
        [*COMMAND[:2], script, "submit", path], capture_output=True, text=True, check=True, timeout=250
    )
    return int(done.stdout.split()[-1])
