"""What the files of a result are called: as their inputs, with the extension replaced, in the same folders.

Where that would make two things fall together, `output_names` says what happens.
"""

import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator

from shared.errors import UsageError
from shared.flows.items import all_paths
from shared.jobs.repository import Repository

# What Linux and macOS take as one file's name.
_MAX_NAME_BYTES = 255


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


def job_output_names(repository: Repository, job_id: str) -> dict[str, str]:
    """Return `output_names` of all items of a job; about half a kilobyte of memory for each."""
    return output_names(all_paths(repository, job_id))


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
