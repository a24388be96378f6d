"""A Redis that answers and takes nothing: full, or a replica since a failover. Workers wait, readiness says so."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from shared.errors import BrokerFull, BrokerUnavailable
from shared.health import Readiness
from shared.jobs.state import JobStatus
from shared.queue.messages import ShardMessage
from tests.integration.worker.conftest import StackFactory, embedded, png


@pytest.fixture
def redis(broker_url: str) -> Iterator[Redis]:
    with Redis.from_url(broker_url) as client:
        yield client
        free(client)


def fill(redis: Redis) -> None:
    redis.config_set("maxmemory", "1")


def free(redis: Redis) -> None:
    redis.config_set("maxmemory", "0")
    redis.execute_command("REPLICAOF", "NO", "ONE")


def test_a_worker_that_starts_waits_and_says_why(
    checkpoint: Path, broker_url: str, make: StackFactory, redis: Redis
) -> None:
    stack = make(embedded, checkpoint, broker_url, STARTUP_SECONDS="1")
    fill(redis)
    worker = stack.start_worker()
    job_id = stack.submit({"a.png": png(64, 64)})
    # Longer than it would wait for one that does not answer: starting again would change nothing.
    stack.wait(lambda: worker.log().count("waiting: Redis has no room") > 3)
    assert worker.process.poll() is None
    free(redis)
    stack.services.dispatcher.fill()
    assert stack.wait_for_end(job_id).state is JobStatus.SUCCEEDED


@pytest.mark.parametrize("how", ["full", "replica"])
def test_a_worker_that_has_to_connect_again_meanwhile_lives(
    checkpoint: Path, broker_url: str, make: StackFactory, redis: Redis, how: str
) -> None:
    stack = make(embedded, checkpoint, broker_url)
    worker = stack.start_worker()
    stack.wait_for_end(stack.submit({"first.png": png(64, 64)}))
    if how == "full":
        fill(redis)
    else:
        redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    before = redis.info("stats")["total_connections_received"]
    redis.client_kill_filter(_type="normal", skipme=True)
    stack.wait(lambda: redis.info("stats")["total_connections_received"] > before + 3)
    assert worker.process.poll() is None
    free(redis)
    job_id = stack.submit({"a.png": png(64, 64)})

    def ended() -> bool:
        stack.services.dispatcher.resend_after = 1.0
        stack.services.dispatcher.fill()  # as the reconciler does
        return stack.job(job_id).state.is_final

    stack.wait(ended)
    assert stack.job(job_id).state is JobStatus.SUCCEEDED
    assert worker.terminate() == 0


def test_readiness_sees_what_a_ping_does_not(
    checkpoint: Path, broker_url: str, make: StackFactory, redis: Redis
) -> None:
    services = make(embedded, checkpoint, broker_url).services
    readiness = Readiness(services, kept=0.0)
    assert readiness.answers()["queue"]
    fill(redis)
    assert not readiness.answers()["queue"]
    with pytest.raises(BrokerFull, match=r"no room.*free some"):
        services.queue.check()
    free(redis)
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    assert not readiness.answers()["queue"]
    with pytest.raises(BrokerUnavailable, match="takes nothing"):
        services.queue.check()
    free(redis)
    assert readiness.answers()["queue"]


def test_two_stacks_on_one_database_of_redis_are_told_apart(
    checkpoint: Path, broker_url: str, make: StackFactory
) -> None:
    stack = make(embedded, checkpoint, broker_url)
    worker = stack.start_worker()
    for _ in range(5):
        stack.services.queue.publish(ShardMessage(job=str(uuid.uuid4()), shard=str(uuid.uuid4())))
    job_id = stack.submit({"a.png": png(64, 64)})
    assert stack.wait_for_end(job_id).state is JobStatus.SUCCEEDED
    warnings = [line for line in worker.log().splitlines() if "hint_of_a_stranger" in line]
    assert len(warnings) == 1
    assert "BROKER_URL" in warnings[0]
