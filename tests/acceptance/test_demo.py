"""The command of `make demo`, from its first line to the last process's end."""

import os
import subprocess
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.acceptance.embedded_stack import PATIENCE_S, SCRIPTS

pytestmark = pytest.mark.timeout(900)

COUNT = 24


def test_the_demo_shows_its_scores_and_leaves_nothing_running(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("demo")  # shorter than what `tmp_path` has: the broker's socket lies within
    (folder / "temporary").mkdir()
    demo = ["demo", "--count", str(COUNT), "--severity", "0:1", "--seed", "7", "--to", "demo-output", "--contact-sheet"]
    result = subprocess.run(
        [SCRIPTS / "admin", "standalone", "--temporary", "--", "producer", *demo],
        cwd=folder,
        # Whatever is configured for the checkout: a temporary stack uses nothing of it.
        env=os.environ | {"TMPDIR": str(folder / "temporary"), "DATABASE_URL": "postgresql://127.0.0.1:1/none"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
    )
    assert result.returncode == 0, result.stderr
    assert "mean Dice" in result.stdout
    assert "ready: http://127.0.0.1:" in result.stderr
    output = folder / "demo-output"
    assert len(list((output / "masks").iterdir())) == COUNT
    assert len((output / "results.csv").read_text().splitlines()) == COUNT + 1
    with Image.open(output / "contact-sheet.png") as sheet:
        assert min(sheet.size) > 500

    assert list((folder / "temporary").iterdir()) == []
    assert [process for process in psutil.process_iter() if _works_below(process, folder)] == []


def _works_below(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.environ().get("TMPDIR", "").startswith(str(folder)) or process.cwd().startswith(str(folder))
    except psutil.Error:
        return False
