import subprocess
import sys

import pytest

from shared.memory import peak_memory_mib, resident_memory

STARTS_ANOTHER = """
import subprocess, sys
from shared.memory import peak_memory_mib

print(peak_memory_mib())
held = b"1" * (200 * 2**20)
del held
print(peak_memory_mib(), flush=True)
another = "from shared.memory import peak_memory_mib; print(peak_memory_mib())"
subprocess.run([sys.executable, "-c", another], check=True)
"""


def test_the_peak_of_a_process_is_its_own() -> None:
    """What it has given back counts; what its starter had does not."""
    done = subprocess.run([sys.executable, "-c", STARTS_ANOTHER], capture_output=True, text=True, check=True)
    small, large, another = map(float, done.stdout.split())
    assert 0 < small < 100
    assert large == pytest.approx(small + 200, abs=20)
    assert another == pytest.approx(small, abs=20)


def test_a_process_that_is_not_there_has_none() -> None:
    with pytest.raises(OSError, match="No such file"):
        peak_memory_mib(2**22 + 1)


def test_what_a_process_holds_now_counts() -> None:
    before = resident_memory()
    held = b"1" * (200 * 2**20)
    assert resident_memory() - before > 150 * 2**20
    del held
    assert resident_memory() <= peak_memory_mib() * 2**20
