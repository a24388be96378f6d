"""A worker as a process, watched from outside: metrics, health, lines of the log, and Celery's events."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from devservers import S3Endpoint
from devservers.process import free_ports
from shared.db.tables.base import new_id
from shared.queue.celery_app import ShardQueue
from shared.queue.messages import ShardMessage
from tests.integration.worker.conftest import PATIENCE, Stack, StackFactory, full, held_png, png

STAGED = "tests.integration.worker.staged_worker"
TOKEN = "a token of some length"
MESSAGES = 300


def get(port: int, path: str, token: str = "") -> tuple[int, str]:
    """Status and body; 0 while nobody listens."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def values(port: int) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(get(port, "/metrics", TOKEN)[1]):
        for sample in family.samples:
            found["/".join([sample.name, *(value for _, value in sorted(sample.labels.items()))])] = sample.value
    return found


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def watched_stack(
    checkpoint: Path,
    broker_url: str,
    postgres_database_url: str,
    s3_endpoint: S3Endpoint,
    make: StackFactory,
    port: int,
) -> Stack:
    """PostgreSQL, S3 and Redis; its workers answer monitors on `port`."""
    return make(
        full, checkpoint, broker_url, postgres_database_url, s3_endpoint, METRICS_PORT=str(port), METRICS_TOKEN=TOKEN
    )


def test_a_worker_tells_what_it_did_and_when_it_can_work(watched_stack: Stack, port: int):
    stack = watched_stack
    worker = stack.start_worker(STAGED)
    stack.wait(lambda: get(port, "/health/ready")[0] == 200)
    parts = {"model", "takes_work", "hints", "database", "queue", "store", "temporary_files"}
    assert json.loads(get(port, "/health/ready")[1]) == {"ready": True} | dict.fromkeys(parts, True)
    assert get(port, "/health/live") == (200, '{"live": true}')
    assert get(port, "/metrics", "another token of some length")[0] == 401

    # As many as the first shard holds: one claim, which does not end before its last image is released.
    job_id = stack.submit({f"{n}.png": png(64, 64) for n in range(2)} | {"words.png": b"words", "held.png": held_png()})
    stack.wait_until_held()
    stack.wait(lambda: values(port)["delineate_stage_seconds_count/decode"] >= 1)
    worker.process.terminate()
    stack.wait(lambda: not json.loads(get(port, "/health/ready")[1])["takes_work"])
    assert get(port, "/health/live")[0] == 200
    before_its_end = values(port)
    stack.release_held()
    assert worker.process.wait(PATIENCE) == 0
    assert stack.wait_for_end(job_id).counts.finished == 4
    assert get(port, "/health/live")[0] == 0

    assert before_its_end["delineate_stage_seconds_count/decode"] >= 1
    assert before_its_end["delineate_stage_seconds_count/commit"] == 0
    assert before_its_end["process_resident_memory_bytes"] > 0


def test_its_counters_agree_with_the_database(watched_stack: Stack, port: int):
    stack = watched_stack
    stack.start_worker()
    job_id = stack.submit({f"{number}.png": png(64, 64) for number in range(40)} | {"words.png": b"words"})
    stack.wait_for_end(job_id)
    # The job may end by the reconciler's hand before the worker has counted its last claim.
    stack.wait(lambda: values(port).get("delineate_images_total/failed") == 1)
    stack.wait(lambda: values(port)["delineate_images_total/succeeded"] == 40)
    found = values(port)
    assert found["delineate_failures_total/not_an_image"] == 1
    assert found["delineate_stage_seconds_count/infer"] == 40
    assert found["delineate_batch_fill_ratio_count"] >= 1
    assert [name for name in found if name.startswith("delineate_worker_info/")]


def test_every_line_is_json_with_the_ids_of_what_it_is_about(watched_stack: Stack, port: int):
    stack = watched_stack
    worker = stack.start_worker()
    job_id = stack.submit({"a.png": png(64, 64)})
    stack.wait_for_end(job_id)
    assert worker.terminate() == 0
    lines = [json.loads(line) for line in worker.log().splitlines() if line]
    assert {line["worker"] for line in lines if line["logger"] == "worker.pipeline"} == {
        next(line["worker"] for line in lines if line.get("action") == "worker_starts")
    }
    [ended] = [line for line in lines if line.get("action") == "claim_ended"]
    assert ended["job"] == job_id
    assert ended["shard"]
    assert "Warm shutdown" in "".join(line["message"] for line in lines)


def test_nothing_but_hints_stands_in_redis(broker_url: str):
    queue = ShardQueue(broker_url)
    with Redis.from_url(broker_url, decode_responses=True) as redis:
        queue.publish(ShardMessage(job=new_id(), shard=new_id()))
        keys = sorted(redis.keys("*"))
        for _ in range(MESSAGES):
            queue.publish(ShardMessage(job=new_id(), shard=new_id()))
        assert sorted(redis.keys("*")) == keys
        # Nothing but the messages themselves stands there; the rest is the names of queues.
        assert queue.length() == MESSAGES + 1
        assert not [key for key in keys if "event" in key and redis.type(key) == "list"]
    queue.celery.close()
