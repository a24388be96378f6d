"""The plan is a function of the seed alone, and holds every kind of fault that its stack can have."""

from itertools import islice, pairwise

import pytest

from tests.faults.injections import INJECTIONS
from tests.faults.load import EXPECTED_ERROR, Content, plan_jobs, plan_single_images
from tests.faults.plan import KINDS, StackKind, plan_faults

SHORT_SECONDS = {StackKind.FULL: 66.0, StackKind.EMBEDDED: 48.0}
TARGETS = {kind.name: kind.target for kind in KINDS}


def names(stack: StackKind) -> set[str]:
    return {kind.name for kind in KINDS if stack in kind.stacks}


@pytest.mark.parametrize("stack", StackKind)
@pytest.mark.parametrize("short", [True, False])
def test_a_seed_always_gives_the_same_plan_and_another_another(stack: StackKind, short: bool):
    plans = [plan_faults(seed, stack=stack, seconds=600, short=short) for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]


def test_a_plan_is_what_it_was_when_a_seed_was_noted():
    first = plan_faults(7, stack=StackKind.FULL, seconds=20, short=True)[0]
    assert (first.number, first.at) == (1, 3.0)


@pytest.mark.parametrize("stack", StackKind)
@pytest.mark.parametrize("seed", range(20))
def test_every_kind_comes_before_any_comes_again(stack: StackKind, seed: int):
    drawn = [fault.kind for fault in plan_faults(seed, stack=stack, seconds=1800, short=False)]
    kinds = names(stack)
    assert set(drawn[: len(kinds)]) == set(drawn[len(kinds) : 2 * len(kinds)]) == kinds


@pytest.mark.parametrize("seed", range(20))
def test_the_short_form_holds_most_kinds(seed: int):
    for stack in StackKind:
        drawn = {fault.kind for fault in plan_faults(seed, stack=stack, seconds=SHORT_SECONDS[stack], short=True)}
        assert len(drawn) >= 0.75 * len(names(stack))


@pytest.mark.parametrize("seed", range(20))
def test_faults_of_one_target_never_overlap_and_all_end_in_time(seed: int):
    faults = plan_faults(seed, stack=StackKind.FULL, seconds=600, short=False)
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    assert all(fault.at + fault.seconds <= 600.2 for fault in faults)
    for target in set(TARGETS.values()):
        mine = [fault for fault in faults if TARGETS[fault.kind] == target]
        assert all(one.at + one.seconds < other.at for one, other in pairwise(mine))


def test_every_kind_can_be_injected():
    assert INJECTIONS.keys() == TARGETS.keys()


def test_jobs_are_a_function_of_the_seed():
    one, same, other = (list(islice(plan_jobs(seed, short=True), 12)) for seed in (1, 1, 2))
    assert one == same != other
    assert {job.cancel_after is not None for job in one} == {job.retry for job in one} == {True, False}
    assert {item.content for job in one for item in job.items} == set(Content)
    assert all(len({item.path for item in job.items}) == len(job.items) for job in one)
    assert [len(job.items) for job in islice(plan_single_images(1), 3)] == [1, 1, 1]


def test_every_bad_image_has_an_error_that_is_expected_of_it():
    assert EXPECTED_ERROR.keys() == set(Content) - {Content.GOOD}
