"""What the files of a result are called: as their inputs, with the extension replaced, in the same folders.

All names are portable (`shared.portable`), so that what is downloaded here opens anywhere, and no two of a job fall
together on any file system. Where they would, `output_names` says what happens. A folder, a zip and results.csv have
the same names.
"""

import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache

from shared.errors import UsageError
from shared.flows.items import all_paths
from shared.flows.pages import page_of
from shared.jobs.repository import Repository
from shared.portable import folded, portable_name

PNG = ".png"
_DIGEST_LENGTH = 8


def output_names(paths: Iterable[str], ending: str = PNG) -> dict[str, str]:
    """Return the output name of each path: unique, relative, portable, the same whatever the order of `paths`.

    Two that some file system would take for one are together: by case, by the form of accents, by what was replaced.
    Inputs that would fall together keep their whole names: `a.jpg` and `a.tif` become `a.jpg.png` and `a.tif.png`.
    So does, in turn, an input `a.jpg.png` beside them (`a.jpg.png.png`), and one whose output would be called as a
    folder of the inputs. Where whole names fall together too, as those of `A.png` and `a.png`, each gets a digest of
    its path: `A~1c2ad66d.png`.

    Args:
        paths: of all items of a job, relative, with `/`.
        ending: of the outputs, with its dot.

    Raises:
        UsageError: a path that is empty, absolute or holds a `..` or a NUL, so that it could lead out of a folder.
    """
    # An output's level says how it is called: 0 with the extension replaced, 1 with `.png` appended, then by a digest.
    levels = {_checked(path): 0 for path in paths}
    folders = {folded(_folder(folder)) for folder in {f for path in levels for f in _folders_above(path)}}
    claims: dict[str, list[str]] = defaultdict(list)
    moving: Iterable[str] = levels
    # Each round only looks at the names that the round before gave out; a level only goes up, so this ends.
    while moving:
        touched = set()
        for path in moving:
            key = folded(_name(path, levels[path], ending))
            claims[key].append(path)
            touched.add(key)
        moving = []
        for key in touched:
            claimants = claims[key]
            if len(claimants) == 1 and key not in folders:
                continue
            # A whole name goes before a shortened one, a digest before both; equals all go on.
            highest = max(levels[path] for path in claimants)
            first = [path for path in claimants if levels[path] == highest]
            stays = first if len(first) == 1 and highest > 0 and key not in folders else []
            leaving = [path for path in claimants if path not in stays]
            claims[key] = stays
            for path in leaving:
                levels[path] += 1
            moving.extend(leaving)
    return {path: _name(path, level, ending) for path, level in levels.items()}


def job_output_names(repository: Repository, job_id: str, ending: str = PNG) -> dict[str, str]:
    """Return `output_names` of all items of a job; about half a kilobyte of memory for each."""
    return output_names(all_paths(repository, job_id), ending)


def _checked(path: str) -> str:
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise UsageError(f"not a relative path to a file: {path!r}")
    return path


def _folders_above(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _name(path: str, level: int, ending: str) -> str:
    folder, _, whole = path.rpartition("/")
    stem = whole if level == 1 else _stem(whole)
    if level > 1:
        digest = hashlib.sha256(f"{level} {path}".encode()).hexdigest()[:_DIGEST_LENGTH]
        name = portable_name(stem, ending=f"~{digest}{ending}")
    else:
        name = portable_name(stem, ending=ending)
    return f"{_folder(folder)}/{name}" if folder else name


def _stem(name: str) -> str:
    """Return the name without its extension; of a page with its number: `stack#0007` of `stack.tif#0007`."""
    page = page_of(name)
    return f"{posixpath.splitext(page[0])[0]}#{page[1]:04d}" if page else posixpath.splitext(name)[0]


@lru_cache(maxsize=1024)
def _folder(path: str) -> str:
    return "/".join(map(portable_name, path.split("/")))
