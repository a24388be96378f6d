"""Order and bounds: no job starves another, and nothing but SQL grows with the backlog."""

import json
import threading
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from redis import Redis
from sqlalchemy import text

from shared.config import Settings
from shared.db.tables.base import new_id
from shared.jobs.records import NewItem, Priority
from shared.jobs.state import JobKind
from shared.queue.dispatch import Dispatcher
from shared.queue.envelope import QUEUE
from shared.queue.messages import ShardMessage, decode
from shared.services import Services, connect
from tests.integration.jobs.test_dispatch import taken_messages
from tests.outcomes import all_succeed
from tests.unit.jobs.bulk import large_job

WINDOW = 5  # of the settings in conftest.py


@pytest.fixture
def another(settings: Settings) -> Iterator[Callable[[], Services]]:
    """Opens the services once more, as another process would."""
    with ExitStack() as closing:

        def open_services() -> Services:
            services = connect(settings)
            closing.callback(services.close)
            return services

        yield open_services


def small_job(services: Services, shards: int, priority: Priority = Priority.NORMAL) -> str:
    job_id = services.repository.create_job(JobKind.IMAGES, name="small", submitted_by="t", priority=priority)
    for shard in range(shards):
        services.repository.add_shard(job_id, [NewItem(id=new_id(), path=f"{shard}", source_key="k")])
    services.repository.seal(job_id)
    return job_id


def try_to_take_one(broker_url: str) -> ShardMessage | None:
    """Take the oldest message out of Redis, if there is one, as a worker would."""
    with Redis.from_url(broker_url) as client:
        raw = client.rpop(QUEUE)
    return None if raw is None else decode(json.loads(b64decode(json.loads(raw)["body"]))[0][0])


def take_one(broker_url: str) -> ShardMessage:
    message = try_to_take_one(broker_url)
    assert message is not None
    return message


def work(services: Services) -> str:
    """Take a hint, do its shard, fill the window as a worker does; return the job that it was of."""
    message = take_one(services.settings.broker)
    claim = services.claims.claim(message.shard, worker="w")
    assert claim is not None
    services.claims.complete(claim, all_succeed(claim))
    services.repository.close_if_finished(claim.job_id)
    services.dispatcher.fill()
    return claim.job_id


def test_a_later_small_job_waits_for_the_window_and_not_for_the_large_one(services: Services) -> None:
    large = large_job(services.database, shards=200, size=1)
    services.dispatcher.fill()
    for _ in range(10):
        assert work(services) == large
    small = small_job(services, 3)
    done = [work(services) for _ in range(WINDOW + 3)]
    assert done.count(small) == 3
    assert services.repository.job(small).state.is_final


def test_jobs_of_the_same_priority_get_the_same_share(services: Services) -> None:
    jobs = [large_job(services.database, shards=60, size=1) for _ in range(3)]
    services.dispatcher.fill()
    shares = Counter(work(services) for _ in range(60))
    assert shares.keys() == set(jobs)
    assert max(shares.values()) - min(shares.values()) <= WINDOW


def test_no_job_starves_in_a_window_of_one(services: Services, broker_url: str) -> None:
    """Even then, as long as a hint is on its way while the next is chosen."""
    narrow = Dispatcher(services.database, services.queue, window=1, resend_after=60)
    old = large_job(services.database, shards=100, size=1)
    new = large_job(services.database, shards=100, size=1)
    chosen = []
    held: list[ShardMessage] = []  # by the worker, which takes one in advance
    while len(chosen) < 20:
        assert narrow.fill() == 1
        held.append(take_one(broker_url))
        chosen.append(held[-1].job)
        if len(held) == 2:
            claim = services.claims.claim(held.pop(0).shard, worker="w")
            assert claim is not None
            services.claims.complete(claim, all_succeed(claim))
    assert Counter(chosen) == {old: 10, new: 10}


def test_what_is_urgent_is_named_before_any_hint_in_the_queue(services: Services) -> None:
    large_job(services.database, shards=200, size=4)
    services.dispatcher.fill()
    hinted = take_one(services.settings.broker).shard
    assert services.dispatcher.more_urgent(hinted) is None
    urgent = small_job(services, 1, Priority.HIGH)
    small_job(services, 1)
    shard = services.dispatcher.more_urgent(hinted)
    assert shard is not None
    claim = services.claims.claim(shard, worker="w")
    assert claim is not None
    assert claim.job_id == urgent
    assert services.dispatcher.more_urgent(hinted) is None  # in work: not a second time
    services.claims.release(claim)
    assert services.dispatcher.more_urgent(hinted) is None  # it rests
    assert services.dispatcher.more_urgent(shard) is None
    assert services.dispatcher.more_urgent(new_id()) is None


def test_dispatchers_at_once_do_not_overfill_the_window(
    services: Services, another: Callable[[], Services], broker_url: str
) -> None:
    large_job(services.database, shards=300, size=1)
    crowd = [another() for _ in range(6)]
    for _ in range(5):
        barrier = threading.Barrier(len(crowd))

        def fill(part: Services, barrier: threading.Barrier = barrier) -> int:
            barrier.wait()
            return part.dispatcher.fill()

        with ThreadPoolExecutor(len(crowd)) as pool:
            sent = sum(pool.map(fill, crowd))
        assert sent == services.queue.length() == WINDOW
        assert len({message.shard for message in taken_messages(broker_url)}) == WINDOW


def test_a_turn_that_its_holder_left_behind_ends_by_itself(services: Services, broker_url: str) -> None:
    large_job(services.database, shards=10, size=1)
    turn = services.queue.filling()
    assert turn.__enter__()
    assert services.dispatcher.fill() == 0  # somebody else is at it
    with Redis.from_url(broker_url) as client:
        (lock,) = client.scan_iter(f"{QUEUE}.filling*")
        assert 0 < client.pttl(lock) <= 5_000
        client.delete(lock)  # its time has come
        assert services.dispatcher.fill() == WINDOW
        with services.queue.filling() as mine:
            assert mine
            turn.__exit__(None, None, None)  # late: the turn is another's by now, and stays so
            assert client.exists(lock)


def test_nothing_but_sql_grows_with_the_backlog(services: Services, another: Callable[[], Services]) -> None:
    """Three workers at once over 100,000 images: messages in Redis and connections to the database stay few."""
    large_job(services.database, shards=3_125, size=32)
    assert services.repository.jobs(limit=1)[0].counts.total == 100_000
    most_messages = most_connections = 0
    services.dispatcher.fill()

    def run(part: Services) -> int:
        nonlocal most_messages, most_connections
        done = 0
        for _ in range(8):
            most_messages = max(most_messages, part.queue.length())
            most_connections = max(most_connections, connections(services))
            while (hint := try_to_take_one(part.settings.broker)) is None:
                part.dispatcher.fill()  # the others were faster
            claim = part.claims.claim(hint.shard, worker="w")
            assert claim is not None
            done += len(part.claims.complete(claim, all_succeed(claim)))
            part.dispatcher.fill()
            services.reconciler().round()
        return done

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(run, [another() for _ in range(3)])) == 3 * 8 * 32
    assert most_messages <= WINDOW
    # A connection for each of the three workers, three for what they share here, one that counts.
    assert most_connections <= 7
    with Redis.from_url(services.settings.broker) as client:
        # The messages, the turn, and the names of the queue that the broker's client keeps.
        assert client.dbsize() <= 4
        assert sum(client.memory_usage(key) or 0 for key in client.scan_iter()) < 20_000


def connections(services: Services) -> int:
    """Return how many connections are open to the database."""
    if services.database.engine.dialect.name == "sqlite":
        return services.database.engine.pool.checkedin()  # type: ignore[attr-defined]
    with services.database.read() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        return int(connection.execute(text(query)).scalar_one())
