"""A worker as a process: whole jobs, stops, and what it says when it cannot start."""

import json
from pathlib import Path

import pytest

from shared.images.codec import decode_mask, decode_probability
from shared.jobs.state import ItemStatus, JobStatus
from shared.net.checkpoint import load_checkpoint
from shared.net.predictor import Predictor
from tests.integration.worker.conftest import PATIENCE, RunningWorker, Stack, held_png, png

STAGED = "tests.integration.worker.staged_worker"


def test_good_and_bad_images_make_a_partial_job(stack: Stack, checkpoint: Path):
    worker = stack.start_worker()
    sizes = {f"{number:02}.png": (20 + 30 * number, 600 - 28 * number) for number in range(20)}
    bad = {"words.png": b"no image", "empty.jpg": b"", "cut.png": png(64, 64)[:50]}
    job_id = stack.submit({path: png(*size) for path, size in sizes.items()} | bad)
    job = stack.wait_for_end(job_id)
    assert job.state is JobStatus.PARTIAL
    items = stack.items(job_id)
    assert {path for path, item in items.items() if item.state is ItemStatus.FAILED} == bad.keys()
    assert {items[path].error_code for path in bad} == {"not_an_image", "empty_file", "truncated"}
    threshold = load_checkpoint(checkpoint).threshold
    for path, size in sizes.items():
        mask = decode_mask(stack.services.store.get(items[path].mask_key))
        probability = decode_probability(stack.services.store.get(items[path].probability_key))
        assert mask.shape == probability.shape == size
        assert (mask == (probability >= threshold)).all()
        assert (items[path].attempts, items[path].width, items[path].height) == (1, size[1], size[0])
    [row] = stack.services.workers.alive(within=PATIENCE)
    assert row.device == f"cpu, {Predictor.load(checkpoint, 'cpu').precision}"
    assert worker.terminate() == 0
    assert stack.services.workers.alive(within=PATIENCE) == []


def test_its_log_is_lines_of_json_with_ids(embedded_stack: Stack):
    worker = embedded_stack.start_worker()
    job_id = embedded_stack.submit({"a.png": png(64, 64)})
    embedded_stack.wait_for_end(job_id)
    assert worker.terminate() == 0
    lines = [json.loads(line) for line in worker.log().splitlines() if line.startswith("{")]
    assert {"worker_starts", "claim_ended", "worker_stops"} <= {line.get("action") for line in lines}
    assert [line["job"] for line in lines if line.get("action") == "claim_ended"] == [job_id]
    assert not [line for line in lines if line["level"] != "INFO"]


def test_celerys_own_command_line_starts_it_too(embedded_stack: Stack):
    command = ["-m", "celery", "-A", "worker.app", "worker", "--without-gossip", "--without-mingle"]
    worker = RunningWorker(embedded_stack, command, {})
    embedded_stack.workers.append(worker)
    job_id = embedded_stack.submit({"a.png": png(64, 64)})
    assert embedded_stack.wait_for_end(job_id).state is JobStatus.SUCCEEDED
    assert worker.terminate() == 0


def test_sigterm_finishes_the_shard_in_work(embedded_stack: Stack):
    stack = embedded_stack
    worker = stack.start_worker(STAGED)
    job_id = stack.submit({"held.png": held_png(), "other.png": png(64, 64)})
    stack.wait_until_held()
    worker.process.terminate()
    stack.wait(lambda: "Warm shutdown" in worker.log())
    assert stack.job(job_id).counts.running == 2
    stack.release_held()
    assert worker.process.wait(PATIENCE) == 0
    assert stack.job(job_id).counts.succeeded == 2
    assert {item.attempts for item in stack.items(job_id).values()} == {1}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"MODEL_PATH": "/nowhere"}, "there are no weights at /nowhere"),
        ({"BROKER_URL": "redis://127.0.0.1:1/0", "STARTUP_SECONDS": "0"}, "Redis does not answer"),
        ({"DATABASE_URL": "sqlite:////nowhere/db"}, "there is no database at /nowhere/db"),
        ({"WORKER_CONCURRENCY": "0"}, "WORKER_CONCURRENCY: "),
    ],
)
def test_what_cannot_work_is_one_line_and_exit_code_2(embedded_stack: Stack, settings: dict[str, str], reason: str):
    worker = embedded_stack.start_worker(**settings)
    assert worker.process.wait(PATIENCE) == 2
    [line] = worker.log().splitlines()
    assert line.startswith("error: ")
    assert reason in line
