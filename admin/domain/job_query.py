"""The query of an address that lists jobs: a filter, an order and a page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from admin.domain.address_values import Check, checked, id_or, one_of, text_of, time_of
from shared.errors import ItemErrorCode
from shared.jobs.filters import OWN_MODEL, JobFilter, JobSort
from shared.jobs.state import JobKind, JobStatus

_MODEL = re.compile(r"[0-9a-f]{4,64}")

STATE_GROUPS: Mapping[str, tuple[JobStatus, ...]] = {
    "open": tuple(state for state in JobStatus if not state.is_final),
    "ended": tuple(state for state in JobStatus if state.is_final),
}
"""Words for several states at once."""


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
    typed, found, problems = checked(values, _CHECKS, now)
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


_ONE_STATE = one_of(JobStatus, [*STATE_GROUPS, *JobStatus])


def _states(value: str, _now: float) -> tuple[JobStatus, ...]:
    found: list[JobStatus] = []
    for word in (each.strip() for each in value.split(",")):
        found += STATE_GROUPS.get(word) or [_ONE_STATE(word, 0.0)]
    return tuple(dict.fromkeys(found))


def _mine(value: str, _now: float) -> bool:
    if value not in ("0", "1"):
        raise ValueError("give 1 for your own jobs alone, or leave it out")
    return value == "1"


def _model(value: str, _now: float) -> str:
    if value != OWN_MODEL and not _MODEL.fullmatch(value.lower()):
        raise ValueError(f"give four or more digits of its SHA-256, or {OWN_MODEL} for the workers' own")
    return value.lower()


_CHECKS: Mapping[str, Check] = {
    "q": text_of, "state": _states, "kind": one_of(JobKind), "owner": text_of, "mine": _mine, "since": time_of,
    "until": time_of, "cause": one_of(ItemErrorCode), "model": _model, "sort": one_of(JobSort),
    "before": id_or("this is no job's id: go to the first page"),
}  # fmt: skip


def filter_words(typed: Mapping[str, str]) -> Sequence[str]:
    """Return a filter in words, one for each value; none where every job fits."""
    words = {
        "q": "“{}”", "state": "{}", "kind": "{}", "owner": "of {}", "since": "since {}", "until": "until {}",
        "cause": "failed with {}", "model": "model {}",
    }  # fmt: skip
    said = [text.format(typed[name]) for name, text in words.items() if name in typed]
    return [*said, *(["mine"] if typed.get("mine") == "1" else [])]
