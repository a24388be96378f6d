"""What a job gives back: the names of its files, the rows of results.csv. For the producer and the admin alike.

    masks/{output name}           0 and 255
    probabilities/{output name}   0 to 255, 255 for probability 1
    sources/, truths/             synthetic jobs only
    results.csv                   one row for each input, in the order of submission

An output is called as its input with the extension replaced by `.png`, in the folder structure of the input. Where
that would make two things fall together, `output_names` says what happens.
"""

import csv
import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TextIO

from shared.db.measurements import MEASUREMENTS
from shared.errors import UsageError
from shared.jobs.records import Item
from shared.jobs.repository import Repository
from shared.jobs.state import ItemStatus, JobKind

RESULTS_CSV = "results.csv"
RESULT_COLUMNS = (
    "path", "state", "error_code", "error", "width", "height", *MEASUREMENTS, "model", "seconds", "note",
)  # fmt: skip

_PAGE_ITEMS = 500
_PAGE_PATHS = 10_000
# What Linux and macOS take as one file's name.
_MAX_NAME_BYTES = 255


class ResultFile(NamedTuple):
    """An object of a result, and the relative name, with `/`, that it gets in a download."""

    key: str
    name: str


def output_names(paths: Iterable[str]) -> dict[str, str]:
    """Return the output name of each path: unique, relative, the same whatever the order of `paths`.

    Inputs that would fall together keep their whole names: `a.jpg` and `a.tif` become `a.jpg.png` and `a.tif.png`.
    So does, in turn, an input `a.jpg.png` beside them (`a.jpg.png.png`), and one whose output would be called as a
    folder of the inputs. A name that gets too long for a file system is cut and ends in a digest.

    Raises:
        UsageError: a path that is empty, absolute or holds a `..` or a NUL, so that it could lead out of a folder.
    """
    # An output's level says how it is called: 0 with the extension replaced, n with `.png` appended n times.
    levels = {_checked(path): 0 for path in paths}
    folders = {folder for path in levels for folder in _folders_above(path)}
    claims: dict[str, list[str]] = defaultdict(list)
    moving: Iterable[str] = levels
    # Each round only looks at the names that the round before gave out; a level only goes up, so this ends.
    while moving:
        touched = set()
        for path in moving:
            name = _name(path, levels[path])
            claims[name].append(path)
            touched.add(name)
        moving = []
        for name in touched:
            claimants = claims[name]
            if len(claimants) == 1 and name not in folders:
                continue
            highest = max(levels[path] for path in claimants)
            # A whole name goes before a shortened one. Two of one level above 0 have different names.
            stays = highest > 0 and name not in folders
            leaving = [path for path in claimants if not (stays and levels[path] == highest)]
            claims[name] = [path for path in claimants if stays and levels[path] == highest]
            for path in leaving:
                levels[path] += 1
            moving.extend(leaving)
    return {path: _name(path, level) for path, level in levels.items()}


def all_items(repository: Repository, job_id: str, *, states: Sequence[ItemStatus] = ()) -> Iterator[Item]:
    """Yield every item of a job (that is in one of `states`) by number, a page at a time."""
    after = -1
    while page := repository.items(job_id, limit=_PAGE_ITEMS, after=after, states=states):
        yield from page
        after = page[-1].number


def job_output_names(repository: Repository, job_id: str) -> dict[str, str]:
    """Return `output_names` of all items of a job; about half a kilobyte of memory for each."""
    return output_names(_all_paths(repository, job_id))


def result_files(item: Item, output_name: str, kind: JobKind) -> Iterator[ResultFile]:
    """Yield the files of one item's result; none unless it succeeded."""
    if item.state is not ItemStatus.SUCCEEDED:
        return
    folders = {"masks": item.mask_key, "probabilities": item.probability_key}
    if kind is JobKind.SYNTHETIC:
        folders |= {"sources": item.source_key, "truths": item.truth_key}
    for folder, key in folders.items():
        if key is not None:
            yield ResultFile(key, f"{folder}/{output_name}")


def result_row(item: Item) -> dict[str, str]:
    """Return the item's row of results.csv, keyed by RESULT_COLUMNS; empty where there is no value."""
    return {
        "path": item.path,
        "state": item.state.value,
        "error_code": item.error_code or "",
        "error": item.error or "",
        "width": _whole(item.width),
        "height": _whole(item.height),
        **{name: _decimal(getattr(item, name), of.digits) for name, of in MEASUREMENTS.items()},
        "model": item.model or "",
        "seconds": _decimal(item.seconds, 3),
        "note": item.note or "",
    }


def write_results_csv(file: TextIO, items: Iterable[Item]) -> None:
    """Write results.csv (UTF-8 is the caller's to choose) into a file opened with `newline=""`.

    Lines end in CRLF as RFC 4180 has it: with LF alone Python's writer does not quote a name with a carriage return.
    """
    writer = csv.DictWriter(file, RESULT_COLUMNS)
    writer.writeheader()
    writer.writerows(map(result_row, items))


def _all_paths(repository: Repository, job_id: str) -> Iterator[str]:
    after = -1
    while page := repository.paths(job_id, limit=_PAGE_PATHS, after=after):
        for _, path in page:
            yield path
        after = page[-1][0]


def _checked(path: str) -> str:
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise UsageError(f"not a relative path to a file: {path!r}")
    return path


def _folders_above(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _name(path: str, level: int) -> str:
    stem = posixpath.splitext(path)[0] if level == 0 else path
    folder, _, name = (stem + ".png" * max(level, 1)).rpartition("/")
    encoded = name.encode()
    if len(encoded) > _MAX_NAME_BYTES:
        ending = f"~{hashlib.sha256(f'{level} {path}'.encode()).hexdigest()[:16]}.png"
        name = encoded[: _MAX_NAME_BYTES - len(ending)].decode(errors="ignore") + ending
    return f"{folder}/{name}" if folder else name


def _whole(value: int | None) -> str:
    return "" if value is None else str(value)


def _decimal(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
