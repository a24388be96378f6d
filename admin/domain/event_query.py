"""The query of an address that lists events, each value checked with a line of its own."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from admin.domain.job_query import MAX_TEXT, time_of
from shared.db.events import EventFilter, EventKind, EventSource

_NAMES = ("job", "who", "what", "from", "since", "until", "before")


@dataclass(frozen=True)
class EventQuery:
    """What an address asks for. `typed` is each value as it was given, `problems` what is wrong with which."""

    filter: EventFilter = field(default_factory=EventFilter)
    before: str | None = None
    typed: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def event_query(values: Mapping[str, str], *, now: float) -> EventQuery:
    """Check the query of an address; where it has problems, its filter leaves out the values that are wrong."""
    typed = {name: value.strip() for name, value in values.items() if value.strip()}
    found: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in typed.items():
        try:
            found[name] = _checked(name, value, now)
        except ValueError as error:
            problems[name] = str(error)
    wanted = EventFilter(
        job_id=found.get("job"), actor=found.get("who"), kind=found.get("what"), source=found.get("from"),
        since=found.get("since"), until=found.get("until"),
    )  # fmt: skip
    return EventQuery(wanted, found.get("before"), typed, problems)


def _checked(name: str, value: str, now: float) -> object:
    match name:
        case "job" | "before":
            return _id(value)
        case "what":
            return _word(EventKind, value)
        case "from":
            return _word(EventSource, value)
        case "since" | "until":
            return time_of(value, now)
        case "who":
            if len(value) > MAX_TEXT or not value.isprintable():
                raise ValueError(f"give at most {MAX_TEXT} printable characters")
            return value
    raise ValueError(f"there is no such filter; there are {', '.join(_NAMES)}")


def _id(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError as error:
        raise ValueError("this is no id, such as 019a3c5e-7d1b-7c3e-8f60-0a1b2c3d4e5f") from error


def _word(kind: type[EventKind] | type[EventSource], value: str) -> str:
    try:
        return kind(value)
    except ValueError as error:
        raise ValueError(f"choose one of {', '.join(kind)}") from error
