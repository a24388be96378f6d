import re
from itertools import product
from pathlib import Path

import pytest

from shared.errors import IllegalTransition
from shared.jobs.state import (
    ITEM_STEPS,
    JOB_STEPS,
    ItemCounts,
    ItemStatus,
    JobEvent,
    JobStatus,
    after_job_event,
    closing_event,
)

STATES_PAGE = Path(__file__).parents[3] / "docs" / "states.md"


@pytest.mark.parametrize(("state", "event"), [*product(JobStatus, JobEvent)])
def test_jobs_step_as_the_table_says_and_in_no_other_way(state: JobStatus, event: JobEvent) -> None:
    if state in JOB_STEPS[event].sources:
        assert after_job_event(state, event) is JOB_STEPS[event].target
    else:
        with pytest.raises(IllegalTransition, match=f"cannot {event} a {state}"):
            after_job_event(state, event)


def test_success_is_for_good() -> None:
    assert all(ItemStatus.SUCCEEDED not in step.sources for step in ITEM_STEPS.values())
    assert all(JobStatus.SUCCEEDED not in step.sources for step in JOB_STEPS.values())


@pytest.mark.parametrize(("status", "steps"), [(ItemStatus, ITEM_STEPS), (JobStatus, JOB_STEPS)])
def test_every_open_state_has_a_way_out_and_every_state_a_way_in(status: type, steps: dict) -> None:
    first = next(iter(status))
    assert {step.target for step in steps.values()} | {first} == set(status)
    assert all(any(state in step.sources for step in steps.values()) for state in status if not state.is_final)


def test_the_page_draws_exactly_these_tables() -> None:
    drawn = set(re.findall(r"^ *(\w+) --> (\w+): (\w+)$", STATES_PAGE.read_text(), re.MULTILINE))
    steps = [*ITEM_STEPS.items(), *JOB_STEPS.items()]
    assert drawn == {(str(source), str(step.target), str(event)) for event, step in steps for source in step.sources}


@pytest.mark.parametrize(
    ("counts", "cancel_requested", "event"),
    [
        (ItemCounts(pending=1, succeeded=5), False, None),
        (ItemCounts(running=1), True, None),
        (ItemCounts(succeeded=2), False, JobEvent.SUCCEED),
        (ItemCounts(succeeded=2), True, JobEvent.SUCCEED),  # the request came too late
        (ItemCounts(failed=2), False, JobEvent.FAIL),
        (ItemCounts(succeeded=1, failed=1), False, JobEvent.PART),
        (ItemCounts(succeeded=1, cancelled=1), True, JobEvent.CANCEL),
        (ItemCounts(), True, JobEvent.CANCEL),
    ],
)
def test_closing(counts: ItemCounts, cancel_requested: bool, event: JobEvent | None) -> None:
    assert closing_event(counts, cancel_requested=cancel_requested) is event
