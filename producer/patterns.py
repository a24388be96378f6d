"""Patterns of names: what a quoted glob stands for, and what `--exclude` leaves out."""

import glob
import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from shared.errors import UsageError


def expanded(arguments: Sequence[Path]) -> list[Path]:
    """Return the arguments with each pattern replaced by what it matches, sorted; `**` goes into folders.

    Where a file is called like a pattern, that file is meant.

    Raises:
        UsageError: a pattern matches nothing.
    """
    found: list[Path] = []
    for argument in arguments:
        text = str(argument)
        if os.path.lexists(text) or not glob.has_magic(text):
            found.append(argument)
            continue
        matches = [Path(match) for match in sorted(glob.glob(text, recursive=True)) if match]
        if not matches:
            raise UsageError(f"nothing matches {text}: look at the folder, or give --recursive and the folder itself")
        found += matches
    return found


def is_excluded(path: str, patterns: Sequence[str]) -> bool:
    """Whether a relative path, its name, or a folder on its way matches one of the patterns."""
    if not patterns:
        return False
    parts = path.split("/")
    candidates = [*parts, *("/".join(parts[: end + 1]) for end in range(1, len(parts)))]
    return any(fnmatchcase(each, pattern.rstrip("/")) for each in candidates for pattern in patterns)
