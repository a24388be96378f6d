"""The query of an address that lists events."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from admin.domain.address_values import Check, checked, id_or, one_of, text_of, time_of
from shared.db.events import EventFilter, EventKind, EventSource

_ID = id_or("this is no id, such as 019a3c5e-7d1b-7c3e-8f60-0a1b2c3d4e5f")
_CHECKS: Mapping[str, Check] = {
    "job": _ID, "who": text_of, "what": one_of(EventKind), "from": one_of(EventSource), "since": time_of,
    "until": time_of, "before": _ID,
}  # fmt: skip


@dataclass(frozen=True)
class EventQuery:
    """What an address asks for. `typed` is each value as it was given, `problems` what is wrong with which."""

    filter: EventFilter = field(default_factory=EventFilter)
    before: str | None = None
    typed: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def event_query(values: Mapping[str, str], *, now: float) -> EventQuery:
    """Check the query of an address; where it has problems, its filter leaves out the values that are wrong."""
    typed, found, problems = checked(values, _CHECKS, now)
    wanted = EventFilter(
        job_id=found.get("job"), actor=found.get("who"), kind=found.get("what"), source=found.get("from"),
        since=found.get("since"), until=found.get("until"),
    )  # fmt: skip
    return EventQuery(wanted, found.get("before"), typed, problems)
