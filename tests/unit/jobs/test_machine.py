"""A state machine over repository, claims and dispatch: everything that may happen, in any order.

Hypothesis chooses what happens next: submissions, hints (lost, doubled, late), claims, results, releases, workers that
die or come back too late, cancels, retries and rounds of reconcilers. Each thing is done to the database and to a
model (`model.py`), the two are compared, and the rows are checked (`row_checks.py`), after each step. In the end a
perfect worker must bring every job to its end. Time is moved by hand (`clock.py`).

Jobs and shards are few and small, and the first job is there from the start, so that the steps meet: a rule that is
broken shows only where several of them fall on one item.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    consumes,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.db.database import Database
from shared.errors import IllegalTransition, UsageError
from shared.jobs.records import Claim, Outcome
from shared.jobs.state import ItemStatus, JobStatus
from tests.outcomes import failure, success
from tests.unit.jobs import clock
from tests.unit.jobs.world import MAX_ATTEMPTS, WINDOW, World

# What a worker found for each image of a claim, in their order; no shard is larger.
ENDS = st.lists(st.sampled_from(["success", "failure", "none"]), min_size=2, max_size=2)


class Machine(World):
    """The steps."""

    jobs = Bundle("jobs")
    shards = Bundle("shards")
    claims = Bundle("claims")  # those that are long over too: their holders may come back

    def __init__(self) -> None:
        super().__init__()
        self.first_job = self.create_job(priority=0)
        self.first_shard = self.submit(self.first_job, good=2, bad=0)
        self.seal(self.first_job)

    @initialize(target=jobs)
    def begin_with_a_job(self) -> str:
        return self.first_job

    @initialize(target=shards)
    def begin_with_a_shard(self) -> str:
        return self.first_shard

    # -- submitting ------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.model) < 2)
    @rule(target=jobs, priority=st.integers(-1, 1))
    def open_submission(self, priority: int) -> str:
        return self.create_job(priority)

    @precondition(lambda self: len(self.model_shards) < 3)
    @rule(target=shards, job_id=jobs, good=st.integers(1, 2), bad=st.integers(0, 1))
    def add_shard(self, job_id: str, good: int, bad: int) -> object:
        if self.model[job_id].takes_items:
            return self.submit(job_id, good, bad)
        with pytest.raises(UsageError):
            self.submit(job_id, good, bad)
        return multiple()

    @rule(job_id=jobs)
    def seal(self, job_id: str) -> None:
        self.repository.seal(job_id)
        self.model[job_id].sealed = True
        self.model[job_id].close()

    # -- workers ---------------------------------------------------------------------------------------------

    @rule(target=claims, shard_id=shards, quarantined=st.booleans(), worker=st.integers(0, 1))
    def claim(self, shard_id: str, quarantined: bool, worker: int) -> object:
        return self.take(shard_id, quarantined, worker) or multiple()

    @precondition(lambda self: self.queue.messages)
    @rule(target=claims, which=st.integers(0, WINDOW), again=st.booleans(), quarantined=st.booleans())
    def take_a_hint(self, which: int, again: bool, quarantined: bool) -> object:
        """Out of order, and with `again` it comes once more."""
        place = which % len(self.queue.messages)
        message = self.queue.messages[place] if again else self.queue.messages.pop(place)
        return self.take(message.shard, quarantined, 0) or multiple()

    @rule(held=st.lists(claims, max_size=3, unique_by=lambda claim: claim.token))
    def renew(self, held: list[Claim]) -> None:
        alive = self.workers[0].renew([claim.token for claim in held])
        assert alive == {claim.token for claim in held if self.held(claim)}
        for claim in held:
            for item in self.held(claim):
                item.overdue = False

    @rule(claim=claims, ends=ENDS)
    def complete(self, claim: Claim, ends: list[str]) -> None:
        """Bring results: of the present holder, or of one that was away too long, or the same ones again."""
        chosen = dict(zip((item.id for item in claim.items), ends, strict=False))
        outcomes: list[Outcome] = [
            success(item_id, note=claim.token) if end == "success" else failure(item_id)
            for item_id, end in chosen.items()
            if end != "none"
        ]
        held = self.held(claim)
        ended = self.workers[0].complete(claim, outcomes)
        expected: dict[str, ItemStatus] = {}
        for item in held:
            if self.model[claim.job_id].cancel_requested:
                item.end(ItemStatus.CANCELLED)
            elif chosen[item.id] == "success":
                item.end(ItemStatus.SUCCEEDED)
                item.result_of = claim.token
            elif chosen[item.id] == "failure":
                item.end(ItemStatus.FAILED)
            else:
                continue
            expected[item.id] = item.state
        assert ended == expected

    @rule(target=claims, shard_id=shards, quarantined=st.booleans(), ends=ENDS)
    def claim_and_complete(self, shard_id: str, quarantined: bool, ends: list[str]) -> object:
        """What happens mostly."""
        claim = self.take(shard_id, quarantined, worker=0)
        if claim is None:
            return multiple()
        self.complete(claim, ends)
        return claim

    @rule(claim=claims, oversized=st.booleans())
    def release(self, claim: Claim, oversized: bool) -> None:
        """The world is away: no attempt is used up; or the items did not fit in memory, and it is.

        Nothing waits for a job that was cancelled.
        """
        held, shard = self.held(claim), self.model_shards[claim.shard_id]
        released = 0
        for item in held:
            if shard.job.cancel_requested:
                item.end(ItemStatus.CANCELLED)
            elif oversized and item.attempts >= MAX_ATTEMPTS:
                item.end(ItemStatus.FAILED)
            else:
                item.end(ItemStatus.PENDING)
                item.quarantined = item.quarantined or oversized
                item.attempts -= not oversized
                released += 1
        ids = {item.id for item in claim.items} if oversized else set()
        assert self.workers[0].release(claim, oversized=ids) == released
        shard.resting = shard.resting or bool(released)

    @rule(claim=claims)
    def worker_dies(self, claim: Claim) -> None:
        """Or hangs, or is cut off: its lease runs out."""
        clock.run_out(self.database, claim.token)
        for item in self.held(claim):
            item.overdue = True

    @rule(target=claims, shard_id=shards, which=st.integers(0, 1), good=st.booleans(), oversized=st.booleans())
    def come_back_too_late(self, shard_id: str, which: int, good: bool, oversized: bool) -> object:
        """What the token is for: a lease runs out, another worker takes the images, and the first has its results."""
        alive = [claim for claim in self.given if claim.shard_id == shard_id and self.held(claim)]
        late = alive[-1] if alive else self.take(shard_id, quarantined=False, worker=0)
        if late is None:
            return multiple()
        self.worker_dies(late)
        self.reconcile(which)
        claim = self.take(shard_id, quarantined=True, worker=1)
        self.complete(late, ["success" if good else "failure"] * len(late.items))
        self.release(late, oversized)
        self.renew([late])
        return claim or multiple()

    # -- time, the queue and the reconcilers -----------------------------------------------------------------

    @precondition(lambda self: any(shard.resting for shard in self.model_shards.values()))
    @rule()
    def rests_end(self) -> None:
        clock.end_rests(self.database)
        for shard in self.model_shards.values():
            shard.resting = False

    @rule()
    def hints_grow_old(self) -> None:
        clock.age_hints(self.database)

    @precondition(lambda self: self.queue.messages)
    @rule()
    def redis_forgets(self) -> None:
        self.queue.messages.clear()

    @rule(which=st.integers(0, 1))
    def reconcile(self, which: int) -> None:
        done = self.reconcilers[which].round()
        assert done.closed == sum(job.close() is not None for job in self.model.values())
        overdue = [shard for shard in self.model_shards.values() if any(item.overdue for item in shard.items)]
        assert done.freed == sum(shard.free_overdue(MAX_ATTEMPTS) for shard in overdue)

    @rule(job_id=jobs)
    def close(self, job_id: str) -> None:
        assert self.repository.close_if_finished(job_id) == self.model[job_id].close()

    # -- users -----------------------------------------------------------------------------------------------

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        job = self.model[job_id]
        try:
            said = self.repository.cancel(job_id)
        except IllegalTransition:
            assert job.state.is_final
            return
        assert not job.state.is_final
        job.cancel()
        assert said.state is job.state

    @rule(job_id=jobs)
    def retry(self, job_id: str) -> None:
        job = self.model[job_id]
        try:
            self.repository.retry(job_id)
        except IllegalTransition:
            has_failed = any(item.state is ItemStatus.FAILED for item in job.items)
            assert job.state is JobStatus.SUCCEEDED or (
                not job.state.is_final and (job.cancel_requested or not has_failed)
            )
        except UsageError:
            assert not job.retryable()
        else:
            assert job.state is not JobStatus.SUCCEEDED
            assert job.state.is_final or not job.cancel_requested
            job.retry()
            self.retried = job_id

    @precondition(lambda self: any(not job.shards for job in self.model.values()))
    @rule(job_id=consumes(jobs))
    def discard(self, job_id: str) -> None:
        """Removes the job if it has no images; no more is done with it either way."""
        self.repository.discard_empty(job_id)
        if not self.model[job_id].shards:
            del self.model[job_id]


def test_whatever_happens_nothing_is_lost_and_nothing_done_twice(database: Database) -> None:
    machine = type("MachineOfTest", (Machine,), {"database": database})
    # The rules are searched on SQLite; on PostgreSQL, four times slower, it is about the SQL.
    max_examples = 100 if database.engine.dialect.name == "sqlite" else 30
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=max_examples, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
