"""What a quoted pattern of files stands for."""

import glob
import os
from collections.abc import Sequence
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
