"""What the workers of a run say they did, for the count of executions and of results: one line for each."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


class Journal:
    """A file that several processes append whole lines to; what a killed process had written stays."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def began(self, item_id: str) -> None:
        """Work on an item begins."""
        self._write(f"began {item_id}\n")

    def ended(self, item_id: str, state: str) -> None:
        """A commit that ended an item was confirmed."""
        self._write(f"{state} {item_id}\n")

    def _write(self, line: str) -> None:
        os.write(self._descriptor, line.encode())


@dataclass
class Executions:
    """How often each item was begun, and how often a success of it was committed."""

    began: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(cls, path: Path) -> "Executions":
        """Read a journal, which need not exist."""
        executions = cls()
        if path.exists():
            for line in path.read_text().splitlines():
                word, _, item_id = line.partition(" ")
                if word in ("began", "succeeded"):
                    getattr(executions, word)[item_id] += 1
        return executions
