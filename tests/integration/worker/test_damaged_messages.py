"""Whoever can write to Redis ends no worker and stops none."""

import json

from celery import Celery
from redis import Redis

from shared.db.tables.base import new_id
from shared.jobs.state import JobStatus
from shared.queue.envelope import QUEUE
from shared.queue.messages import ShardMessage
from tests.damaged_messages import DAMAGED, envelope
from tests.integration.worker.conftest import RunningWorker, Stack, png


def succeeds(stack: Stack) -> bool:
    return stack.wait_for_end(stack.submit({"a.png": png(64, 64)})).state is JobStatus.SUCCEEDED


def said(worker: RunningWorker, action: str) -> list[str]:
    lines = [json.loads(line) for line in worker.log().splitlines() if line.startswith("{")]
    return [line["message"] for line in lines if line.get("action") == action]


def test_what_cannot_be_read_is_dropped_and_the_worker_goes_on(embedded_stack: Stack, broker_url: str):
    stack = embedded_stack
    worker = stack.start_worker()
    assert succeeds(stack)
    with Redis.from_url(broker_url) as redis:
        for name, damaged in DAMAGED.items():
            redis.lpush(QUEUE, damaged)
            stack.wait(lambda: not redis.exists(QUEUE))
            assert worker.process.poll() is None, name
        redis.lpush(QUEUE, *DAMAGED.values(), json.dumps(envelope(ShardMessage(job=new_id(), shard=new_id()))))
        stack.wait(lambda: not redis.exists(QUEUE))
        assert succeeds(stack)
        redis.delete(QUEUE)
        redis.set(QUEUE, "no list")
        stack.wait(lambda: redis.type(QUEUE) != b"string")
    assert succeeds(stack)
    assert worker.terminate() == 0
    # However many there are, the log stays short.
    assert len(said(worker, "message_dropped")) in (1, 2, 3, 4)
    assert "Traceback" not in worker.log()


def test_remote_control_is_heard_by_nobody(embedded_stack: Stack, broker_url: str):
    stack = embedded_stack
    worker = stack.start_worker()
    assert succeeds(stack)
    app = Celery(broker=broker_url)
    app.control.broadcast("cancel_consumer", {"queue": QUEUE})
    app.control.broadcast("shutdown")
    assert app.control.ping(timeout=0.5) == []
    app.close()
    assert succeeds(stack)
    assert worker.terminate() == 0
