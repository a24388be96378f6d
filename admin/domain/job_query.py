"""The query of an address that lists jobs: a filter, an order and a page, each value checked with a line of its own."""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from shared.errors import ItemErrorCode
from shared.jobs.filters import OWN_MODEL, JobFilter, JobSort
from shared.jobs.state import JobKind, JobStatus

MAX_TEXT = 200  # characters
_AGE = re.compile(r"(\d{1,6})\s*(m|min|h|d|w)")
_AGES = {"m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_MODEL = re.compile(r"[0-9a-f]{4,64}")
_NO_TIME = "give a date such as 2026-11-01, a time such as 2026-11-01T14:30, or an age such as 90m, 12h or 7d"

STATE_GROUPS: Mapping[str, tuple[JobStatus, ...]] = {
    "open": tuple(state for state in JobStatus if not state.is_final),
    "ended": tuple(state for state in JobStatus if state.is_final),
}
"""Words for several states at once."""

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True)
class JobQuery:
    """What an address asks for. `typed` is each value as it was given, `problems` what is wrong with which."""

    filter: JobFilter = field(default_factory=JobFilter)
    sort: JobSort = JobSort.NEWEST
    before: str | None = None
    typed: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    def address(self, **changed: str | None) -> dict[str, str]:
        """Return the values of an address that asks for the same, but for these; without a page unless given."""
        values = {name: value for name, value in self.typed.items() if name != "before"} | changed
        # Names of its own, not just any: each becomes an argument of whatever makes the address.
        return {name: value for name, value in values.items() if value and name in _CHECKS}


def job_query(values: Mapping[str, str], *, me: str, now: float) -> JobQuery:
    """Check the query of an address.

    Args:
        values: as they were given; empty ones count as not given.
        me: the account that asks, whose jobs `mine` names.
        now: the time, in Unix seconds, from which ages count.

    Returns:
        The query. Where it has problems, its filter leaves out the values that are wrong.
    """
    typed = {name: value.strip() for name, value in values.items() if value.strip()}
    found: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in typed.items():
        check = _CHECKS.get(name)
        try:
            if check is None:
                raise ValueError(f"there is no such filter; there are {', '.join(_CHECKS)}")
            found[name] = check(value, now)
        except ValueError as error:
            problems[name] = str(error)
    sort, before = found.pop("sort", JobSort.NEWEST), found.pop("before", None)
    if found.pop("mine", False):
        found["owner"] = me
    for name, of_filter in (("state", "states"), ("q", "text")):
        if name in found:
            found[of_filter] = found.pop(name)
    since, until = found.get("since"), found.get("until")
    if since is not None and until is not None and since >= until:
        problems["until"] = "give a time that is later than the one since when"
    return JobQuery(JobFilter(**found), sort, before, typed, problems)


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


def _states(value: str, _now: float) -> tuple[JobStatus, ...]:
    found: list[JobStatus] = []
    for word in value.split(","):
        group = STATE_GROUPS.get(word.strip())
        found += group or [_one_of(JobStatus, [*STATE_GROUPS, *JobStatus])(word.strip(), 0.0)]
    return tuple(dict.fromkeys(found))


def _one_of(kind: type[Word], words: Iterable[str] = ()) -> Callable[[str, float], Word]:
    def check(value: str, _now: float) -> Word:
        try:
            return kind(value)
        except ValueError as error:
            raise ValueError(f"choose one of {', '.join(words or kind)}") from error

    return check


def _text(value: str, _now: float) -> str:
    if len(value) > MAX_TEXT or not value.isprintable():
        raise ValueError(f"give at most {MAX_TEXT} printable characters")
    return value


def _mine(value: str, _now: float) -> bool:
    if value not in ("0", "1"):
        raise ValueError("give 1 for your own jobs alone, or leave it out")
    return value == "1"


def _model(value: str, _now: float) -> str:
    if value != OWN_MODEL and not _MODEL.fullmatch(value.lower()):
        raise ValueError(f"give four or more digits of its SHA-256, or {OWN_MODEL} for the workers' own")
    return value.lower()


def _id(value: str, _now: float) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError as error:
        raise ValueError("this is no job's id: go to the first page") from error


_CHECKS: Mapping[str, Callable[[str, float], Any]] = {
    "q": _text, "state": _states, "kind": _one_of(JobKind), "owner": _text, "mine": _mine, "since": time_of,
    "until": time_of, "cause": _one_of(ItemErrorCode), "model": _model, "sort": _one_of(JobSort), "before": _id,
}  # fmt: skip


def filter_words(typed: Mapping[str, str]) -> Sequence[str]:
    """Return a filter in words, one for each value; none where every job fits."""
    words = {
        "q": "“{}”", "state": "{}", "kind": "{}", "owner": "of {}", "since": "since {}", "until": "until {}",
        "cause": "failed with {}", "model": "model {}",
    }  # fmt: skip
    said = [text.format(typed[name]) for name, text in words.items() if name in typed]
    return [*said, *(["mine"] if typed.get("mine") == "1" else [])]
