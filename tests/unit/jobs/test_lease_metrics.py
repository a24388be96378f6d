"""Leases that run out are counted where they are noticed: by a reconciler, or by the next claim."""

import logging

from prometheus_client import REGISTRY

from shared.db.database import Database
from shared.jobs.claims import Claims


def counts() -> dict[str, float]:
    wanted = {
        "retried": ("delineate_lease_expiries_total", {"outcome": "retried"}),
        "failed": ("delineate_lease_expiries_total", {"outcome": "failed"}),
        "images": ("delineate_images_total", {"outcome": "failed"}),
        "crashed": ("delineate_failures_total", {"code": "worker_crashed"}),
    }
    return {name: REGISTRY.get_sample_value(*sample) or 0.0 for name, sample in wanted.items()}


def grown(before: dict[str, float]) -> dict[str, float]:
    return {name: value - before[name] for name, value in counts().items()}


def test_a_reconciler_counts_and_logs_the_leases_that_it_frees(impatient: Claims, make_job, caplog):
    caplog.set_level(logging.INFO)
    job_id, [shard_id] = make_job(3)
    before = counts()
    assert impatient.claim(shard_id, worker="w")
    assert impatient.expire() == 3
    assert impatient.expire() == 0
    assert grown(before) == {"retried": 3, "failed": 0, "images": 0, "crashed": 0}
    [line] = [record for record in caplog.records if getattr(record, "action", "") == "leases_expired"]
    assert (line.job, line.shard) == (job_id, shard_id)


def test_without_an_attempt_left_they_are_failures(database: Database, make_job):
    once = Claims(database, lease_seconds=-1, max_attempts=1)
    _, [shard_id] = make_job(2)
    before = counts()
    assert once.claim(shard_id, worker="w")
    assert once.expire() == 2
    assert grown(before) == {"retried": 0, "failed": 2, "images": 2, "crashed": 2}
