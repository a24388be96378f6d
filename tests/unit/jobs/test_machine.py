"""A state machine over repository, claims and dispatch: everything that may happen, in any order.

Hypothesis chooses what happens next: submissions, hints (lost, doubled, late), claims, results, releases, workers that
die or come back too late, cancels, retries and rounds of reconcilers. Each thing is done to the database and to a
model (`model.py`), the two are compared, and the rows are checked (`row_checks.py`), after each step. In the end a
perfect worker must bring every job to its end. Time is moved by writing leases, rests and hints back.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, update

from shared.errors import IllegalTransition, ItemErrorCode, UsageError
from shared.jobs.claims import Claims
from shared.jobs.database import Database
from shared.jobs.dispatch import Dispatcher
from shared.jobs.reconciler import Reconciler
from shared.jobs.records import Claim, NewItem, Outcome
from shared.jobs.repository import Repository
from shared.jobs.state import ItemStatus, JobKind, JobStatus
from shared.jobs.tables import ItemRow, JobRow, ShardRow, new_id
from tests.unit.jobs.memory_queue import MemoryQueue
from tests.unit.jobs.model import ModelItem, ModelJob, ModelShard
from tests.unit.jobs.outcomes import failure, success
from tests.unit.jobs.row_checks import Rows, check_reading, check_rows, check_step

MAX_ATTEMPTS = 2
WINDOW = 2


class Machine(RuleBasedStateMachine):
    """The steps. `database` is set by the test."""

    database: Database

    jobs = Bundle("jobs")
    shards = Bundle("shards")
    claims = Bundle("claims")  # those that are long over too: their holders may come back

    @initialize()
    def start(self) -> None:
        with self.database.write() as connection:
            for table in (ItemRow, ShardRow, JobRow):
                connection.execute(delete(table))
        self.repository = Repository(self.database)
        self.queue = MemoryQueue()
        self.workers = [Claims(self.database, lease_seconds=3600, max_attempts=MAX_ATTEMPTS) for _ in range(2)]
        dispatcher = Dispatcher(self.database, self.queue, window=WINDOW, resend_after=3600)  # type: ignore[arg-type]
        self.reconcilers = [Reconciler(self.repository, claims, dispatcher, interval=1) for claims in self.workers]
        self.model: dict[str, ModelJob] = {}
        self.model_shards: dict[str, ModelShard] = {}
        self.rows = Rows(self.database)
        self.retried: str | None = None

    # -- submitting ------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.model) < 2)
    @rule(target=jobs, priority=st.integers(-1, 1))
    def open_submission(self, priority: int) -> str:
        job_id = self.repository.create_job(JobKind.IMAGES, name="n", submitted_by="t", priority=priority)
        self.model[job_id] = ModelJob(job_id)
        return job_id

    @precondition(lambda self: len(self.model_shards) < 4)
    @rule(target=shards, job_id=jobs, good=st.integers(0, 3), bad=st.integers(0, 1))
    def add_shard(self, job_id: str, good: int, bad: int) -> object:
        job = self.model[job_id]
        first = len(job.items)
        ids = [new_id() for _ in range(good + bad)]
        sent = [
            NewItem(id=item_id, path=f"{first + n}", source_key=f"key/{item_id}")
            if n < good
            else NewItem(id=item_id, path=f"{first + n}", error_code=ItemErrorCode.UNREADABLE, error="no permission")
            for n, item_id in enumerate(ids)
        ]
        if not sent:
            return multiple()
        try:
            shard_id = self.repository.add_shard(job_id, sent)
        except UsageError:
            assert not job.takes_items
            return multiple()
        assert job.takes_items
        items = [
            ModelItem(item_id, first + n, n < good, ItemStatus.PENDING if n < good else ItemStatus.FAILED)
            for n, item_id in enumerate(ids)
        ]
        shard = ModelShard(shard_id, job, items)
        job.shards.append(shard)
        self.model_shards[shard_id] = shard
        return shard_id

    @rule(job_id=jobs)
    def seal(self, job_id: str) -> None:
        self.repository.seal(job_id)
        self.model[job_id].sealed = True
        self.model[job_id].close()

    # -- workers ---------------------------------------------------------------------------------------------

    @rule(target=claims, shard_id=shards, suspects=st.booleans(), worker=st.integers(0, 1))
    def claim(self, shard_id: str, suspects: bool, worker: int) -> object:
        return self._claim(shard_id, suspects, worker) or multiple()

    @precondition(lambda self: self.queue.messages)
    @rule(target=claims, which=st.integers(0, WINDOW), again=st.booleans(), suspects=st.booleans())
    def take_a_hint(self, which: int, again: bool, suspects: bool) -> object:
        """Out of order, and with `again` it comes once more."""
        place = which % len(self.queue.messages)
        message = self.queue.messages[place] if again else self.queue.messages.pop(place)
        return self._claim(message.shard, suspects, 0) or multiple()

    def _claim(self, shard_id: str, suspects: bool, worker: int) -> Claim | None:
        shard = self.model_shards[shard_id]
        claim = self.workers[worker].claim(shard_id, worker=f"worker {worker}", suspects=suspects)
        shard.free_overdue(MAX_ATTEMPTS)
        expected = shard.take(suspects)
        assert sorted(item.id for item in expected) == [item.id for item in (claim.items if claim else ())]
        if claim is None:
            return None
        for item, taken in zip(sorted(expected, key=lambda item: item.id), claim.items, strict=True):
            item.state, item.token, item.attempts = ItemStatus.RUNNING, claim.token, item.attempts + 1
            assert taken.attempts == item.attempts
        if shard.job.state is JobStatus.QUEUED:
            shard.job.state = JobStatus.RUNNING
        return claim

    @rule(held=st.lists(claims, max_size=3, unique_by=lambda claim: claim.token))
    def renew(self, held: list[Claim]) -> None:
        alive = self.workers[0].renew([claim.token for claim in held])
        assert alive == {claim.token for claim in held if self._held(claim)}
        for claim in held:
            for item in self._held(claim):
                item.overdue = False

    @rule(claim=claims, ends=st.lists(st.sampled_from(["success", "failure", "none"]), min_size=3, max_size=3))
    def complete(self, claim: Claim, ends: list[str]) -> None:
        """Bring results: of the present holder, or of one that was away too long, or the same ones again."""
        chosen = dict(zip((item.id for item in claim.items), ends, strict=False))
        outcomes: list[Outcome] = [
            success(item_id, note=claim.token) if end == "success" else failure(item_id)
            for item_id, end in chosen.items()
            if end != "none"
        ]
        held = self._held(claim)
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

    @rule(claim=claims, hungry=st.booleans())
    def release(self, claim: Claim, hungry: bool) -> None:
        """The world is away: no attempt is used up; or the items did not fit in memory, and it is.

        Nothing waits for a job that was cancelled.
        """
        held, shard = self._held(claim), self.model_shards[claim.shard_id]
        given_back = 0
        for item in held:
            if shard.job.cancel_requested:
                item.end(ItemStatus.CANCELLED)
            elif hungry and item.attempts >= MAX_ATTEMPTS:
                item.end(ItemStatus.FAILED)
            else:
                item.end(ItemStatus.PENDING)
                item.suspect = item.suspect or hungry
                item.attempts -= not hungry
                given_back += 1
        ids = {item.id for item in claim.items} if hungry else set()
        assert self.workers[0].release(claim, hungry=ids) == given_back
        shard.resting = shard.resting or bool(given_back)

    @rule(claim=claims)
    def worker_dies(self, claim: Claim) -> None:
        """Or hangs, or is cut off: its lease runs out."""
        with self.database.write() as connection:
            connection.execute(update(ItemRow).where(ItemRow.token == claim.token).values(lease_until=1.0))
        for item in self._held(claim):
            item.overdue = True

    # -- time, the queue and the reconcilers -----------------------------------------------------------------

    @rule()
    def rests_end(self) -> None:
        with self.database.write() as connection:
            connection.execute(update(ShardRow).values(not_before=0.0))
        for shard in self.model_shards.values():
            shard.resting = False

    @rule()
    def hints_grow_old(self) -> None:
        with self.database.write() as connection:
            connection.execute(update(ShardRow).where(ShardRow.published_at.is_not(None)).values(published_at=1.0))

    @rule()
    def redis_forgets(self) -> None:
        self.queue.messages.clear()

    @rule(which=st.integers(0, 1))
    def reconcile(self, which: int) -> None:
        done = self.reconcilers[which].round()
        overdue = [shard for shard in self.model_shards.values() if any(item.overdue for item in shard.items)]
        assert done.freed == sum(shard.free_overdue(MAX_ATTEMPTS) for shard in overdue)
        assert done.closed == sum(job.close() is not None for job in self.model.values())

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
            assert not job.state.is_final or job.state is JobStatus.SUCCEEDED
        except UsageError:
            assert not job.retryable()
        else:
            assert job.state in (JobStatus.FAILED, JobStatus.PARTIAL, JobStatus.CANCELLED)
            job.retry()
            self.retried = job_id

    @precondition(lambda self: any(not job.shards for job in self.model.values()))
    @rule(job_id=consumes(jobs))
    def discard(self, job_id: str) -> None:
        """Removes the job if it has no images; no more is done with it either way."""
        self.repository.discard_empty(job_id)
        if not self.model[job_id].shards:
            del self.model[job_id]

    # -- after each step -------------------------------------------------------------------------------------

    def check_invariants(self, *arguments: object, **options: object) -> None:
        """Compare with the model and with the rows before; Hypothesis calls it after each rule."""
        super().check_invariants(*arguments, **options)  # type: ignore[arg-type]
        if hasattr(self, "rows"):
            self._check()

    def _check(self) -> None:
        before, self.rows = self.rows, Rows(self.database)
        before.jobs = {job_id: row for job_id, row in before.jobs.items() if job_id in self.model}
        check_rows(self.rows, max_attempts=MAX_ATTEMPTS)
        check_step(before, self.rows, retried=self.retried)
        check_reading(self.repository, self.rows)
        self.retried = None
        assert len(self.queue.messages) <= WINDOW
        assert {row.id: row.state for row in self.rows.jobs.values()} == {
            job.id: job.state for job in self.model.values()
        }
        items = {item.id: item for job in self.model.values() for item in job.items}
        assert items.keys() == self.rows.items.keys()
        for item in items.values():
            row = self.rows.items[item.id]
            assert (row.state, row.attempts, row.suspect, row.token, row.note) == (
                item.state,
                item.attempts,
                item.suspect,
                item.token,
                item.result_of,
            )

    def teardown(self) -> None:
        """Whatever happened, a perfect worker and a reconciler bring every job to its end, in few rounds."""
        if not hasattr(self, "model"):
            return
        for job_id in self.model:
            self.repository.seal(job_id)
        self._let_time_pass(update(ItemRow).where(ItemRow.state == ItemStatus.RUNNING).values(lease_until=1.0))
        rounds = 0
        while any(not JobStatus(job.state).is_final for job in Rows(self.database).jobs.values()):
            rounds += 1
            assert rounds <= 3 + 2 * len(self.model_shards)
            self.reconcilers[0].round()
            while self.queue.messages:
                self._work(self.queue.messages.pop(0).shard)
            self._let_time_pass(
                update(ShardRow).values(not_before=0.0),
                update(ShardRow).where(ShardRow.published_at.is_not(None)).values(published_at=1.0),
            )
        check_rows(Rows(self.database), max_attempts=MAX_ATTEMPTS)

    def _work(self, shard_id: str) -> None:
        """Do as `worker.pipeline` does."""
        claims = self.workers[0]
        while claim := claims.claim(shard_id, worker="w") or claims.claim(shard_id, worker="w", suspects=True):
            claims.complete(claim, [success(item.id, note=claim.token) for item in claim.items])
            self.repository.close_if_finished(claim.job_id)

    def _let_time_pass(self, *statements: object) -> None:
        with self.database.write() as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]

    def _held(self, claim: Claim) -> list[ModelItem]:
        return self.model_shards[claim.shard_id].held(claim.token)


def test_whatever_happens_nothing_is_lost_and_nothing_done_twice(database: Database) -> None:
    machine = type("MachineOfTest", (Machine,), {"database": database})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
