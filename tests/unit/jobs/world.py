"""What the state machine in `test_machine.py` runs over: a database, two workers, two reconcilers, and their model.

What is done here is done to both, and after each step the two are compared.
"""

from hypothesis.stateful import RuleBasedStateMachine, invariant
from sqlalchemy import delete

from shared.db.database import Database
from shared.db.tables.base import new_id
from shared.db.tables.jobs import ItemRow, JobRow, ShardRow
from shared.errors import ItemErrorCode
from shared.jobs.claims import Claims
from shared.jobs.records import Claim, NewItem
from shared.jobs.repository import Repository
from shared.jobs.state import ItemStatus, JobKind, JobStatus
from shared.queue.dispatch import Dispatcher
from shared.upkeep.reconciler import Reconciler
from tests.outcomes import success
from tests.unit.jobs import clock
from tests.unit.jobs.model import ModelItem, ModelJob, ModelShard
from tests.unit.jobs.row_checks import Rows, check_reading, check_rows, check_step
from tests.unit.queue.memory_queue import MemoryQueue

MAX_ATTEMPTS = 2
WINDOW = 2


class World(RuleBasedStateMachine):
    """A machine that has no rules yet. The test sets `database`."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
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
        self.given: list[Claim] = []

    # -- done to the database and to the model -------------------------------------------------------------

    def create_job(self, priority: int) -> str:
        job_id = self.repository.create_job(JobKind.IMAGES, name="n", submitted_by="t", priority=priority)
        self.model[job_id] = ModelJob(job_id)
        return job_id

    def submit(self, job_id: str, good: int, bad: int) -> str:
        """Add a shard of so many images, and so many that could not be read."""
        job = self.model[job_id]
        first = len(job.items)
        ids = [new_id() for _ in range(good + bad)]
        sent = [
            NewItem(id=item_id, path=f"{first + n}", source_key=f"key/{item_id}")
            if n < good
            else NewItem(id=item_id, path=f"{first + n}", error_code=ItemErrorCode.UNREADABLE, error="no permission")
            for n, item_id in enumerate(ids)
        ]
        shard_id = self.repository.add_shard(job_id, sent)
        items = [
            ModelItem(item_id, first + n, n < good, ItemStatus.PENDING if n < good else ItemStatus.FAILED)
            for n, item_id in enumerate(ids)
        ]
        shard = ModelShard(shard_id, job, items)
        job.shards.append(shard)
        self.model_shards[shard_id] = shard
        return shard_id

    def take(self, shard_id: str, quarantined: bool, worker: int) -> Claim | None:
        """Claim; what is given must be what the model would give."""
        shard = self.model_shards[shard_id]
        claim = self.workers[worker].claim(shard_id, worker=f"worker {worker}", quarantined=quarantined)
        if shard.job.cancel_requested:
            shard.cancel_pending()
        expected = shard.take(quarantined)
        assert sorted(item.id for item in expected) == [item.id for item in (claim.items if claim else ())]
        if claim is None:
            return None
        for item, taken in zip(sorted(expected, key=lambda item: item.id), claim.items, strict=True):
            item.state, item.token, item.attempts = ItemStatus.RUNNING, claim.token, item.attempts + 1
            assert taken.attempts == item.attempts
        if shard.job.state is JobStatus.QUEUED:
            shard.job.state = JobStatus.RUNNING
        self.given.append(claim)
        return claim

    def held(self, claim: Claim) -> list[ModelItem]:
        """Return what the claim still holds."""
        return self.model_shards[claim.shard_id].held(claim.token)

    # -- after each step, and in the end -------------------------------------------------------------------

    @invariant()
    def rows_are_as_the_model_says(self) -> None:
        before, self.rows = self.rows, Rows(self.database)
        before.jobs = {job_id: row for job_id, row in before.jobs.items() if job_id in self.model}
        check_rows(self.rows, max_attempts=MAX_ATTEMPTS)
        check_step(before, self.rows, retried=self.retried)
        if vars(before) != vars(self.rows):
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
            assert (row.state, row.attempts, row.quarantined, row.token, row.note) == (
                item.state,
                item.attempts,
                item.quarantined,
                item.token,
                item.result_of,
            )

    def teardown(self) -> None:
        """Whatever happened, a perfect worker and a reconciler bring every job to its end, in few rounds."""
        for job_id in self.model:
            self.repository.seal(job_id)
        clock.run_out(self.database)
        rounds = 0
        while any(not JobStatus(job.state).is_final for job in Rows(self.database).jobs.values()):
            rounds += 1
            assert rounds <= 3 + 2 * len(self.model_shards)
            self.reconcilers[0].round()
            while self.queue.messages:
                self._work(self.queue.messages.pop(0).shard)
            clock.end_rests(self.database)
            clock.age_hints(self.database)
        check_rows(Rows(self.database), max_attempts=MAX_ATTEMPTS)

    def _work(self, shard_id: str) -> None:
        """Do as `worker.pipeline` does."""
        claims = self.workers[0]
        while claim := claims.claim(shard_id, worker="w") or claims.claim(shard_id, worker="w", quarantined=True):
            claims.complete(claim, [success(item.id, note=claim.token) for item in claim.items])
            self.repository.close_if_finished(claim.job_id)
