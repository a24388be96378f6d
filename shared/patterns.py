"""Patterns of names: what `--exclude` leaves out and `--only` takes, and what one with folders in it stands for."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

_MAGIC = re.compile(r"[*?[]")
_ANY_FOLDERS = "**"


def matches_one(path: str, patterns: Sequence[str]) -> bool:
    """Whether a relative path, its name, or a folder on its way matches one of the patterns."""
    if not patterns:
        return False
    parts = path.split("/")
    candidates = [*parts, *("/".join(parts[: end + 1]) for end in range(1, len(parts)))]
    return any(fnmatchcase(each, pattern.rstrip("/")) for each in candidates for pattern in patterns)


def split_at_pattern(path: str) -> tuple[str, str]:
    """Split a path before the first name in it that is a pattern; the second part is empty where none is.

    The first part then ends in a slash, or is empty.
    """
    found = _MAGIC.search(path)
    if found is None:
        return path, ""
    cut = path.rfind("/", 0, found.start()) + 1
    return path[:cut], path[cut:]


def literal_beginning(pattern: str) -> str:
    """Return with what everything that matches begins."""
    found = _MAGIC.search(pattern)
    return pattern if found is None else pattern[: found.start()]


def matches(path: str, pattern: str) -> bool:
    """Whether a relative path is what a pattern stands for: `*` stays in one name, `**` is any number of folders."""
    wanted = pattern.split("/")
    # The places in the pattern that the names so far can have come to.
    places = _with_skipped({0}, wanted)
    for name in path.split("/"):
        further = {place + (wanted[place] != _ANY_FOLDERS) for place in places if _takes(wanted, place, name)}
        places = _with_skipped(further, wanted)
    return len(wanted) in places


def _takes(wanted: Sequence[str], place: int, name: str) -> bool:
    return place < len(wanted) and (wanted[place] == _ANY_FOLDERS or fnmatchcase(name, wanted[place]))


def _with_skipped(places: Iterable[int], wanted: Sequence[str]) -> set[int]:
    """Add the places behind each `**`, which may stand for nothing."""
    found = set()
    for place in places:
        found.add(place)
        while place < len(wanted) and wanted[place] == _ANY_FOLDERS:
            place += 1
            found.add(place)
    return found
