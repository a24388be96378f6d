"""The benchmarks run: real servers, a real worker, their tables at the end. What they measure here means nothing."""

import subprocess
import sys

import pytest

from shared.config import CHECKOUT


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["efficiency", "latency"])
def test_a_benchmark_ends_with_its_table_and_writes_nothing(name: str) -> None:
    before = (CHECKOUT / "docs" / "performance.md").read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", name],
        cwd=CHECKOUT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(table) > 3
    assert (CHECKOUT / "docs" / "performance.md").read_bytes() == before
