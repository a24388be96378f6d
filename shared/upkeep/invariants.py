"""What holds in every committed state of the rows. Pure: no SQL, no clock; the audit asks these questions of each row.

Each function yields one line for each thing that is wrong, and nothing for a row that is right.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from shared.db.measurements import MEASUREMENTS
from shared.errors import ItemErrorCode, UsageError
from shared.jobs.records import Success
from shared.jobs.state import JOB_STEPS, ItemCounts, ItemStatus, JobStatus, closing_event
from shared.store import keys

_RESULT_KEYS = ("mask_key", "probability_key")
_CLAIM = ("token", "lease_until")
_RESULT_HAS = tuple(field.name for field in fields(Success) if field.default is MISSING and field.name != "item_id")

# What the columns of an item's state have to hold, and what they may not.
_HAS: Mapping[ItemStatus, tuple[str, ...]] = {
    ItemStatus.PENDING: (),
    ItemStatus.RUNNING: (*_CLAIM, "worker"),
    ItemStatus.SUCCEEDED: ("finished_at", *_RESULT_HAS),
    ItemStatus.FAILED: ("error_code", "error"),
    ItemStatus.CANCELLED: ("finished_at",),
}
_HAS_NOT: Mapping[ItemStatus, tuple[str, ...]] = {
    ItemStatus.PENDING: (*_CLAIM, "worker", "finished_at", "error_code", *_RESULT_KEYS),
    ItemStatus.RUNNING: ("finished_at", "error_code", *_RESULT_KEYS),
    ItemStatus.SUCCEEDED: (*_CLAIM, "error_code", "error"),
    ItemStatus.FAILED: (*_CLAIM, *_RESULT_KEYS),
    ItemStatus.CANCELLED: (*_CLAIM, *_RESULT_KEYS),
}
_CODES = frozenset(ItemErrorCode)


def item_faults(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield what does not fit in an item's row, a mapping of all its columns."""
    try:
        state = ItemStatus(row["state"])
    except ValueError:
        yield f"the state {row['state']!r} is none"
        return
    for column in _HAS[state]:
        if row[column] is None:
            yield f"{state}, but has no {column}"
    for column in _HAS_NOT[state]:
        if row[column] is not None:
            yield f"{state}, but has a {column}"
    if row["synthesis"] is not None and state is not ItemStatus.SUCCEEDED and row["truth_key"] is not None:
        yield f"{state}, but has a truth_key, which the worker makes with the result"
    if state is ItemStatus.FAILED and row["error_code"] not in _CODES and row["error_code"] is not None:
        yield f"the error code {row['error_code']!r} is none"
    if state in (ItemStatus.PENDING, ItemStatus.RUNNING) and row["source_key"] is None and row["synthesis"] is None:
        yield f"{state}, but has neither a source nor a synthesis"
    if state is ItemStatus.SUCCEEDED:
        yield from _key_faults(row)
        yield from _measurement_faults(row)


def attempts_faults(row: Mapping[str, Any], *, cap: int) -> Iterator[str]:
    """Yield what does not fit in an item's number of attempts."""
    state, attempts = row["state"], row["attempts"]
    if not 0 <= attempts <= cap:
        yield f"{attempts} attempts, where {cap} are the most"
    elif attempts == 0 and state in (ItemStatus.RUNNING, ItemStatus.SUCCEEDED):
        yield f"{state} without an attempt"


def shard_faults(row: Mapping[str, Any], counted: ItemCounts) -> Iterator[str]:
    """Yield where a shard's counts are not those of its items."""
    if row["total"] != counted.total:
        yield f"shard {row['number']} says {row['total']} items, and has {counted.total}"
    for state in ItemStatus:
        said, found = row[state.value], getattr(counted, state.value)
        if said != found:
            yield f"shard {row['number']} says {said} {state}, and has {found}"


def job_faults(row: Mapping[str, Any], counts: ItemCounts) -> Iterator[str]:
    """Yield where a job's state does not fit its columns and the counts of its items."""
    try:
        state = JobStatus(row["state"])
    except ValueError:
        yield f"the state {row['state']!r} is none"
        return
    if not state.is_final:
        if row["finished_at"] is not None:
            yield f"{state}, but has a finished_at"
        if state is JobStatus.QUEUED and counts.running:
            yield f"queued, but {counts.running} of its items are running"
        if state is JobStatus.RUNNING and row["started_at"] is None:
            yield "running, but has no started_at"
        return
    for column in ("finished_at", "sealed_at"):
        if row[column] is None:
            yield f"{state}, but has no {column}"
    is_abandoned = row["abandoned_at"] is not None
    event = closing_event(counts, cancel_requested=row["cancel_requested_at"] is not None, is_abandoned=is_abandoned)
    if event is None:
        yield f"{state}, but {counts.pending + counts.running} of its items are open"
    elif JOB_STEPS[event].target is not state:
        yield f"{state}, but its items say {JOB_STEPS[event].target}"


def _key_faults(row: Mapping[str, Any]) -> Iterator[str]:
    # Fixed keys are what makes a result that is written twice the same objects.
    fixed = {"mask_key": keys.mask, "probability_key": keys.probability, "truth_key": keys.truth}
    for column, key_of in fixed.items():
        key = row[column]
        if key is None or key == key_of(row["job_id"], row["id"]):
            continue
        if column == "truth_key" and row["synthesis"] is None and _is_truth_of_another_job(key, row["job_id"]):
            continue  # of a clone, whose inputs are where they were given
        yield f"{column} is {key!r}, which is not the item's own"


def _is_truth_of_another_job(key: str, job_id: str) -> bool:
    try:
        parsed = keys.parse(key)
    except UsageError:
        return False
    return parsed.kind is keys.KeyKind.TRUTH and parsed.job != job_id


def _measurement_faults(row: Mapping[str, Any]) -> Iterator[str]:
    for name, measurement in MEASUREMENTS.items():
        if row[name] is not None and not measurement.holds(row[name]):
            yield f"{name} is {row[name]}, outside of {measurement.minimum} to {measurement.maximum}"
