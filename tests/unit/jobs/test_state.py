import re
from itertools import product
from pathlib import Path

import pytest

from shared.errors import IllegalTransition
from shared.jobs.claims import backoff_seconds
from shared.jobs.state import (
    ITEM_STEPS,
    JOB_STEPS,
    ItemCounts,
    ItemEvent,
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


def test_success_is_for_good_unless_a_repair_finds_its_objects_gone() -> None:
    repairs = {ItemEvent.REDO, ItemEvent.LOSE, JobEvent.REOPEN}
    steps = [*ITEM_STEPS.items(), *JOB_STEPS.items()]
    assert {event for event, step in steps if "succeeded" in step.sources} == repairs


@pytest.mark.parametrize(("status", "steps"), [(ItemStatus, ITEM_STEPS), (JobStatus, JOB_STEPS)])
def test_every_open_state_has_a_way_out_and_every_state_a_way_in(status: type, steps: dict) -> None:
    first = next(iter(status))
    assert {step.target for step in steps.values()} | {first} == set(status)
    assert all(any(state in step.sources for step in steps.values()) for state in status if not state.is_final)


def test_the_page_draws_exactly_these_tables() -> None:
    drawn = set(re.findall(r"^ *(\w+) --> (\w+): (\w+)$", STATES_PAGE.read_text(), re.MULTILINE))
    steps = [*ITEM_STEPS.items(), *JOB_STEPS.items()]
    assert drawn == {(str(source), str(step.target), str(event)) for event, step in steps for source in step.sources}


def test_the_page_says_of_every_event_of_an_item_what_it_is() -> None:
    told = re.findall(r"^\| (\w+) \| [^|]+ \|[^|]*\|$", STATES_PAGE.read_text(), re.MULTILINE)
    assert set(told) - {"event"} == {str(event) for event in ITEM_STEPS}


def test_the_page_says_how_long_a_released_shard_rests() -> None:
    page = STATES_PAGE.read_text()
    (rests,) = re.findall(r"^\| rest in seconds \|(.+)\|$", page, re.MULTILINE)
    said = [int(rest) for rest in rests.split("|")]
    assert said == [backoff_seconds(releases) for releases in range(len(said))]
    assert {backoff_seconds(releases) for releases in (len(said), 100, 10_000)} == {said[-1]}


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
