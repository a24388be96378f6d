"""Workers, reconcilers and users at once, in threads with connections of their own, over the same shards.

The state machine in `test_machine.py` does one thing after the other; here the transactions overlap. What is checked
are the rows when all is done, and that every success was reported to one worker alone.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

from sqlalchemy import update

from shared.db.database import Database
from shared.db.tables.jobs import ItemRow, ShardRow
from shared.errors import IllegalTransition, UsageError
from shared.jobs import shards
from shared.jobs.claims import Claims
from shared.jobs.records import Claim
from shared.jobs.repository import Repository
from shared.jobs.state import ItemStatus, JobStatus
from shared.queue.dispatch import Dispatcher
from shared.upkeep.reconciler import Reconciler
from tests.outcomes import failure, success
from tests.unit.conftest import MakeJob
from tests.unit.jobs.row_checks import Rows, check_reading, check_rows
from tests.unit.queue.memory_queue import MemoryQueue

MAX_ATTEMPTS = 3
STEPS = 40  # of each thread


class Race:
    """What the threads share: the shards, the claims that were ever given, and what was reported as done."""

    def __init__(self, shard_ids: list[str]) -> None:
        self.shards = shard_ids
        self.claims: list[Claim] = []
        self.succeeded: Counter[str] = Counter()  # successes reported for each item
        self.lock = threading.Lock()

    def add(self, claim: Claim) -> None:
        with self.lock:
            self.claims.append(claim)

    def report(self, ended: dict[str, ItemStatus]) -> None:
        with self.lock:
            self.succeeded.update(item for item, state in ended.items() if state is ItemStatus.SUCCEEDED)


def worker(race: Race, database: Database, chance: random.Random) -> None:
    """Claims, and then ends it, gives it back, forgets it as one that died, or brings what is long over."""
    claims = Claims(database, lease_seconds=600, max_attempts=MAX_ATTEMPTS)
    for _ in range(STEPS):
        shard = chance.choice(race.shards)
        claim = claims.claim(shard, worker="w", quarantined=chance.random() < 0.3)
        if claim is not None:
            race.add(claim)
            if chance.random() < 0.5:
                # As the thread of the leases does, while the results of a claim are being written.
                claims.renew([held.token for held in chance.sample(race.claims, min(4, len(race.claims)))])
        if not race.claims:
            continue
        chosen = claim if claim is not None and chance.random() < 0.7 else chance.choice(race.claims)
        end = chance.random()
        if end < 0.6:
            outcomes = [
                success(item.id, note=chosen.token) if chance.random() < 0.8 else failure(item.id)
                for item in chance.sample(chosen.items, chance.randint(1, len(chosen.items)))
            ]
            race.report(claims.complete(chosen, outcomes))
        elif end < 0.75:
            claims.release(chosen)
        else:
            # Its lease runs out, and soon it may come back.
            with database.write() as connection:
                shards.lock(connection, chosen.shard_id)
                connection.execute(update(ItemRow).where(ItemRow.token == chosen.token).values(lease_until=1.0))


def reconciler(race: Race, database: Database, _chance: random.Random) -> None:
    claims = Claims(database, lease_seconds=600, max_attempts=MAX_ATTEMPTS)
    queue = MemoryQueue()
    dispatcher = Dispatcher(database, queue, window=4, resend_after=0)  # type: ignore[arg-type]
    rounds = Reconciler(Repository(database), claims, dispatcher, interval=1)
    for _ in range(STEPS // 2):
        rounds.round()
        queue.messages.clear()
        for shard in race.shards:
            with database.write() as connection:
                connection.execute(update(ShardRow).where(ShardRow.id == shard).values(not_before=0.0))  # rests end


def user(job_id: str) -> Callable[[Race, Database, random.Random], None]:
    """Cancels and retries a job, over and over."""

    def steer(_race: Race, database: Database, chance: random.Random) -> None:
        repository = Repository(database)
        for _ in range(STEPS // 4):
            with suppress(IllegalTransition, UsageError):
                chance.choice([repository.cancel, repository.retry, repository.retry])(job_id)

    return steer


def test_what_races_ends_well(database: Database, repository: Repository, claims: Claims, make_job: MakeJob) -> None:
    made = [make_job(4, 3, 5, name=f"job {number}") for number in range(3)]
    race = Race([shard for _, shard_ids in made for shard in shard_ids])
    parts = [worker] * 4 + [reconciler] * 2 + [user(made[0][0])]
    with ExitStack() as opened, ThreadPoolExecutor(len(parts)) as pool:
        running = []
        for number, part in enumerate(parts):
            own = Database(database.engine.url.render_as_string(hide_password=False), pool_size=1)
            opened.callback(own.close)
            running.append(pool.submit(part, race, own, random.Random(number)))
        for future in running:
            future.result()
    check_rows(Rows(database), max_attempts=MAX_ATTEMPTS)

    # Then the weather clears, and what is left is done.
    with database.write() as connection:
        connection.execute(update(ItemRow).where(ItemRow.token.is_not(None)).values(lease_until=1.0))
        connection.execute(update(ShardRow).values(not_before=0.0))
    claims.expire()
    for shard in race.shards:
        while claim := claims.claim(shard, worker="w") or claims.claim(shard, worker="w", quarantined=True):
            race.report(claims.complete(claim, [success(item.id, note=claim.token) for item in claim.items]))
    repository.close_finished()

    rows = Rows(database)
    check_rows(rows, max_attempts=MAX_ATTEMPTS)
    check_reading(repository, rows)
    assert all(JobStatus(job.state).is_final for job in rows.jobs.values())
    done = {item.id for item in rows.items.values() if item.state == ItemStatus.SUCCEEDED}
    assert dict(race.succeeded) == dict.fromkeys(done, 1)
    tokens = {claim.token: {item.id for item in claim.items} for claim in race.claims}
    assert all(rows.items[item].note not in tokens or item in tokens[rows.items[item].note] for item in done)
