"""What the query of an address may say, whatever it lists: each value checked with a line of its own."""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

MAX_TEXT = 200  # characters
_AGE = re.compile(r"(\d{1,6})\s*(m|min|h|d|w)")
_AGES = {"m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_NO_TIME = "give a date such as 2026-11-01, a time such as 2026-11-01T14:30, or an age such as 90m, 12h or 7d"

Check = Callable[[str, float], Any]
"""Returns what a value stands for at a time, in Unix seconds; ValueError says what it should have been."""
Word = TypeVar("Word", bound=StrEnum)


def checked(
    values: Mapping[str, str], checks: Mapping[str, Check], now: float
) -> tuple[dict[str, str], dict[str, Any], dict[str, str]]:
    """Check the values of an address.

    Args:
        values: as they were given; empty ones count as not given.
        checks: by the names that there are.
        now: the time, in Unix seconds, from which ages count.

    Returns:
        Each value as it was given, what those that are right stand for, and what is wrong with the others.
    """
    typed = {name: value.strip() for name, value in values.items() if value.strip()}
    found: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in typed.items():
        try:
            if name not in checks:
                raise ValueError(f"there is no such filter; there are {', '.join(checks)}")
            found[name] = checks[name](value, now)
        except ValueError as error:
            problems[name] = str(error)
    return typed, found, problems


def time_of(value: str, now: float) -> float:
    """Return the Unix time that a date, a time or an age names; one without a zone is in UTC.

    Raises:
        ValueError: it is none of these.
    """
    if age := _AGE.fullmatch(value.lower()):
        return now - int(age[1]) * _AGES[age[2]]
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise ValueError(_NO_TIME) from error


def text_of(value: str, _now: float) -> str:
    """Return a text that can be looked for.

    Raises:
        ValueError: it cannot.
    """
    if len(value) > MAX_TEXT or not value.isprintable():
        raise ValueError(f"give at most {MAX_TEXT} printable characters")
    return value


def one_of(kind: type[Word], words: Iterable[str] = ()) -> Check:
    """Return the check of a word of `kind`; `words` are those that it tells of, if not all of them."""

    def check(value: str, _now: float) -> Word:
        try:
            return kind(value)
        except ValueError as error:
            raise ValueError(f"choose one of {', '.join(words or kind)}") from error

    return check


def id_or(otherwise: str) -> Check:
    """Return the check of an id, which says `otherwise` of what is none."""

    def check(value: str, _now: float) -> str:
        try:
            return str(uuid.UUID(value))
        except ValueError as error:
            raise ValueError(otherwise) from error

    return check
