"""A copy of the house in which a test adds one thing, and a process of its own that shows what came of it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]
PACKAGES = ("shared", "admin", "worker", "producer", "training")
_WEIGHTS = "shared/weights"  # large and never changed here: a link does
_SECONDS = 120


class House:
    """The product's packages under `root`. Paths are relative to it, with `/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str) -> None:
        """Add a file."""
        with (self.root / path).open("x", encoding="utf-8") as file:
            file.write(text)

    def insert(self, path: str, text: str, *, after: str) -> None:
        """Add lines after the one line that begins with `after`, indentation aside."""
        lines = (self.root / path).read_text("utf-8").splitlines(keepends=True)
        [place] = [number for number, line in enumerate(lines) if line.lstrip().startswith(after)]
        lines.insert(place + 1, text)
        (self.root / path).write_text("".join(lines), "utf-8")

    def append(self, path: str, text: str) -> None:
        """Add lines at the end of a file."""
        with (self.root / path).open("a", encoding="utf-8") as file:
            file.write(text)

    def touched(self) -> set[str]:
        """Return the files that differ from the repository's, or that it does not have."""
        return {path for path in _files(self.root) if not _same(self.root / path, REPOSITORY / path)}

    def run(self, script: Path, *arguments: str) -> Any:
        """Run a Python file on these packages in a process of its own; return what it printed, as JSON."""
        command = [sys.executable, "-P", str(script), *arguments]
        surroundings = os.environ | {"PYTHONPATH": str(self.root)}
        done = subprocess.run(
            command, cwd=self.root, env=surroundings, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def house_copy(tmp_path: Path) -> House:
    """The house as it is in the repository."""
    root = tmp_path / "house"
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, root / package, ignore=_left_out)
    (root / _WEIGHTS).symlink_to(REPOSITORY / _WEIGHTS, target_is_directory=True)
    return House(root)


def _left_out(folder: str, names: list[str]) -> set[str]:
    weights = {name for name in names if Path(folder, name) == REPOSITORY / _WEIGHTS}
    return weights | {name for name in names if name == "__pycache__"}


def _files(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(folder, name).relative_to(root).as_posix() for name in names)


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()
