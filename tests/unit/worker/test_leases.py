"""The thread that renews, without a database."""

import threading
from collections.abc import Iterable
from typing import Any

import pytest

from shared.errors import DatabaseUnavailable
from shared.jobs.records import Claim, Priority, Unfamiliar
from worker import leases as module
from worker.leases import Leases, WorkerIdentity


class AwayOnce:
    """Claims of which the first renewal fails; with this lease the next is due after 1,000 s."""

    lease_seconds = 4000.0

    def __init__(self) -> None:
        self.asked = 0
        self.renewed = threading.Event()

    def renew(self, tokens: Iterable[str]) -> set[str]:
        self.asked += 1
        if self.asked == 1:
            raise DatabaseUnavailable("away")
        self.renewed.set()
        return set(tokens)

    def cancelled_jobs(self, _job_ids: Iterable[str]) -> set[str]:
        return set()


class NoWorkers:
    def report(self, *_: object, **__: object) -> None: ...

    def remove(self, _worker_id: str) -> None: ...


def claim(shard: str, priority: Priority = Priority.NORMAL) -> Claim:
    return Claim(
        token=shard,
        shard_id=shard,
        job_id="j",
        priority=priority,
        model=None,
        scale=1.0,
        unfamiliar=Unfamiliar.FLAG,
        channel="auto",
        items=(),
    )


@pytest.fixture
def claims() -> AwayOnce:
    return AwayOnce()


@pytest.fixture
def leases(claims: Any) -> Leases:
    identity = WorkerIdentity(name="w", device="cpu", model="")
    workers: Any = NoWorkers()
    return Leases(claims, workers, identity=identity)


def test_a_renewal_that_failed_is_made_up_for_as_soon_as_the_database_is_back(
    claims: AwayOnce, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_OUTAGE_PAUSE_SECONDS", 0.01)
    with leases.hold(claim("s")) as held:
        leases.start()
        assert claims.renewed.wait(60)
        leases.stop()
    assert claims.asked == 2
    assert not held.over


def test_a_claim_is_urgent_beside_those_of_lower_priority(leases: Leases) -> None:
    assert leases.least_urgent_shard() is None
    with leases.hold(claim("high", Priority.HIGH)) as first:
        assert leases.least_urgent_shard() == "high"
        with leases.hold(claim("low", Priority.LOW)) as low, leases.hold(claim("normal")) as normal:
            with leases.hold(claim("as low", Priority.LOW)) as equal:
                assert leases.least_urgent_shard() in {"low", "as low"}
            urgent = [held.is_urgent for held in (first, low, normal, equal)]
        assert leases.least_urgent_shard() == "high"
    assert urgent == [False, False, True, False]
    assert leases.least_urgent_shard() is None
