"""JSON from files that somebody else may have written: no doubled keys, and one error whatever is wrong with it."""

import json
from typing import Any


def parse(text: bytes) -> Any:
    """Return what the JSON says.

    Raises:
        ValueError: it is none, names a key twice, or nests too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found
