"""The marker of a folder of results: which job they are of, so that no two jobs mix and none is taken for input.

A download writes it first. A folder of results without one was made before there were markers, or is an unpacked zip:
its results.csv tells.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

MARKER = ".delineate-results"
RESULTS_CSV = "results.csv"
# The first columns that every results.csv has had.
_CSV_BEGINS = b"path,"
_CSV_COLUMNS = frozenset((b"path", b"state", b"error_code", b"error"))
_MAX_HEADER_BYTES = 65536


@dataclass(frozen=True)
class ResultsMarker:
    """Whose results a folder holds."""

    job: str  # its id
    name: str  # what people call it

    def to_bytes(self) -> bytes:
        """Return the content of the file MARKER: one JSON object."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"


def read_marker(folder: Path) -> ResultsMarker | None:
    """Return whose results the folder holds; None where it has no marker, or one that cannot be read."""
    try:
        value = json.loads((folder / MARKER).read_bytes())
        return ResultsMarker(**{field.name: str(value[field.name]) for field in fields(ResultsMarker)})
    except (OSError, ValueError, LookupError, TypeError):
        return None


def is_results_folder(folder: Path) -> bool:
    """Whether results were written there: it has a marker, or our results.csv.

    What else is in it may be somebody's own: a download may go into the very folder of the inputs.
    """
    return (folder / MARKER).is_file() or has_results_csv(folder)


def has_results_csv(folder: Path) -> bool:
    """Whether the folder has a results.csv of ours."""
    try:
        with (folder / RESULTS_CSV).open("rb") as file:
            header = file.readline(_MAX_HEADER_BYTES)
    except OSError:
        return False
    return header.startswith(_CSV_BEGINS) and set(header.rstrip(b"\r\n").split(b",")) >= _CSV_COLUMNS


def occupied(folder: Path, names: Iterable[str]) -> list[str]:
    """Return those of these names that the folder has already; a folder among them counts where it holds anything."""
    return [name for name in names if _is_there(folder / name)]


def _is_there(path: Path) -> bool:
    try:
        return any(path.iterdir())
    except NotADirectoryError:
        return True
    except OSError:
        return path.is_symlink()
