"""Models that change while a real worker runs: every job keeps its own, and nothing is started again."""

import json
from pathlib import Path

import pytest
import torch

from devservers import S3Endpoint
from shared.db.model_registry import ModelRegistry
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.state import JobStatus
from shared.net.architectures import build
from shared.net.checkpoint import Metadata, load_checkpoint, save_checkpoint
from shared.store import keys
from tests.integration.worker.conftest import TINY, Stack, StackFactory, full, held_png, png
from tests.integration.worker.tcp_gate import TcpGate
from training.publish import publish

STAGED = "tests.integration.worker.staged_worker"


@pytest.fixture
def checkpoints(tmp_path: Path) -> list[Path]:
    """Three tiny networks with weights of their own."""
    folders = []
    for seed in (1, 2, 3):
        torch.manual_seed(seed)
        folder = tmp_path / f"checkpoint-{seed}"
        save_checkpoint(folder, build("attention_unet", TINY), Metadata("attention_unet", TINY, threshold=0.1 * seed))
        folders.append(folder)
    return folders


def enter(stack: Stack, checkpoint: Path, *, activate: bool = True) -> str:
    registry = ModelRegistry(stack.services.database, stack.services.store)
    sha256 = publish(registry, checkpoint, name=None, by="test").sha256
    if activate:
        registry.activate(sha256, by="test")
    return sha256


def rollback(stack: Stack) -> None:
    ModelRegistry(stack.services.database, stack.services.store).rollback(by="test")


def models_of(stack: Stack, job_id: str) -> set[tuple[str | None, float | None]]:
    return {(item.model, item.threshold) for item in stack.items(job_id).values()}


def maps_of(stack: Stack, job_id: str) -> dict[str, bytes]:
    return {path: stack.services.store.get(item.probability_key) for path, item in stack.items(job_id).items()}


def images(count: int) -> dict[str, bytes]:
    return {f"{number:03}.png": png(64, 64, number) for number in range(count)}


def test_each_job_keeps_the_model_it_began_with_and_the_worker_runs_on(
    stack: Stack, checkpoint: Path, checkpoints: list[Path]
):
    own = (load_checkpoint(checkpoint).sha256, 0.5)
    worker = stack.start_worker(STAGED, WORKER_CONCURRENCY="1")
    before = stack.submit(images(3))
    first = (enter(stack, checkpoints[0]), 0.1)
    # Its first shard waits in the worker, so that the others are claimed when the second model is active.
    during = stack.submit({"held.png": held_png()} | images(60))
    stack.wait_until_held()
    second = (enter(stack, checkpoints[1]), 0.2)
    after = stack.submit(images(3))
    assert stack.job(during).counts.pending > 50
    stack.release_held()
    for job_id in (before, during, after):
        assert stack.wait_for_end(job_id).state is JobStatus.SUCCEEDED
    assert [models_of(stack, job_id) for job_id in (before, during, after)] == [{own}, {first}, {second}]
    rollback(stack)
    back = stack.submit(images(3))
    rollback(stack)
    further_back = stack.submit(images(3))
    for job_id, model in ((back, first), (further_back, own)):
        assert stack.wait_for_end(job_id).state is JobStatus.SUCCEEDED
        assert models_of(stack, job_id) == {model}
    [row] = stack.services.workers.alive(within=240)
    assert row.model == own[0]
    assert worker.terminate() == 0
    loaded = [line for line in worker.log().splitlines() if '"model_loaded"' in line]
    assert len(loaded) == 2


def test_two_models_serve_two_jobs_at_once_on_one_worker(embedded_stack: Stack, checkpoints: list[Path]):
    stack = embedded_stack
    asked: dict[str, Path] = dict(zip(("nuclei", "coins"), checkpoints, strict=False))
    registry = ModelRegistry(stack.services.database, stack.services.store)
    shas = {name: publish(registry, folder, name=name, by="test").sha256 for name, folder in asked.items()}
    registry.activate(enter(stack, checkpoints[2], activate=False), by="test")  # neither of the two is active
    jobs = {name: stack.submit(images(100), model=name) for name in asked}
    cut = stack.submit(images(3), model=shas["coins"][:8], threshold=0.75)
    worker = stack.start_worker(SHARD_SIZE="16")
    for job_id in (*jobs.values(), cut):
        assert stack.wait_for_end(job_id).state is JobStatus.SUCCEEDED
    assert {name: models_of(stack, job_id) for name, job_id in jobs.items()} == {
        "nuclei": {(shas["nuclei"], 0.1)},
        "coins": {(shas["coins"], 0.2)},
    }
    assert models_of(stack, cut) == {(shas["coins"], 0.75)}
    nuclei, coins, coins_again = (maps_of(stack, job_id) for job_id in (jobs["nuclei"], jobs["coins"], cut))
    assert all(coins[path] == coins_again[path] != nuclei[path] for path in coins_again)
    assert {item.model_name for item in stack.items(jobs["nuclei"]).values()} == {"nuclei"}
    assert worker.terminate() == 0


def test_a_model_that_is_gone_fails_its_job_alone_until_it_is_published_again(
    embedded_stack: Stack, checkpoint: Path, checkpoints: list[Path]
):
    stack = embedded_stack
    lost = enter(stack, checkpoints[0])
    job_id = stack.submit(images(5))
    stack.services.store.delete([keys.model_weights(lost)])
    enter(stack, checkpoints[1])
    other = stack.submit(images(5))
    worker = stack.start_worker()
    assert stack.wait_for_end(job_id).state is JobStatus.FAILED
    assert stack.wait_for_end(other).state is JobStatus.SUCCEEDED
    assert {item.error_code for item in stack.items(job_id).values()} == {"model_unavailable"}
    enter(stack, checkpoints[0], activate=False)
    stack.services.repository.retry(job_id)
    assert stack.wait_for_end(job_id).state is JobStatus.SUCCEEDED
    assert {model for model, _ in models_of(stack, job_id)} == {lost}
    assert worker.terminate() == 0
    levels = {json.loads(line)["level"] for line in worker.log().splitlines() if line.startswith("{")}
    assert levels == {"INFO", "ERROR"}  # no defect, no release


def test_with_s3_away_the_claim_waits_for_its_model(
    checkpoint: Path,
    checkpoints: list[Path],
    broker_url: str,
    postgres_database_url: str,
    s3_endpoint: S3Endpoint,
    make: StackFactory,
):
    gate = TcpGate(int(s3_endpoint.url.rpartition(":")[2]))
    behind = S3Endpoint(f"http://127.0.0.1:{gate.port}", s3_endpoint.access_key, s3_endpoint.secret_key)
    stack = make(full, checkpoint, broker_url, postgres_database_url, behind)
    sha256 = enter(stack, checkpoints[2])
    worker = stack.start_worker()
    stack.wait(lambda: stack.services.workers.alive(within=240))
    gate.shut()
    # Scenes are made by the worker, so nothing but the model is asked of the store.
    job_id = submit_synthetic(stack.services, SyntheticSpec(count=3), name="test", submitted_by="test")
    stack.wait(lambda: "claim_released" in worker.log())
    assert stack.job(job_id).state is JobStatus.RUNNING
    gate.open()
    assert stack.wait_for_end(job_id).state is JobStatus.SUCCEEDED
    assert {(item.model, item.attempts) for item in stack.items(job_id).values()} == {(sha256, 1)}
    gate.shut()
