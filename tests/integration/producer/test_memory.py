"""A folder of any size goes through the producer in the same memory: it is walked lazily, uploads are waited for."""

import os
import subprocess
from pathlib import Path

import pytest

from shared.services import Services
from tests.integration.producer.conftest import COMMAND

FEW, MANY = 1_000, 20_000
# What a folder's sorted names take, with room; an upload that waits in memory takes ten times as much.
BYTES_A_NAME = 200
SLACK = 8 * 2**20


@pytest.mark.timeout(1200)
def test_peak_memory_does_not_grow_with_the_folder(services: Services, tmp_path: Path) -> None:
    few, many = (peak_memory(make_folder(tmp_path / str(count), count)) for count in (FEW, MANY))
    assert [job.counts.total for job in services.repository.jobs(limit=2)] == [MANY, FEW]
    assert many - few < BYTES_A_NAME * (MANY - FEW) + SLACK


def make_folder(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:06d}.png").write_bytes(b"%d" % number)
    return folder


def peak_memory(folder: Path) -> int:
    """Submit a folder in a process of its own; return its peak resident memory in bytes."""
    process = subprocess.Popen([*COMMAND, "submit", folder], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024
