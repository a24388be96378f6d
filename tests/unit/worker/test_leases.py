"""The thread that renews, without a database."""

import threading
from collections.abc import Iterable

import pytest

from shared.errors import DatabaseUnavailable
from shared.jobs.records import Claim
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


def test_a_renewal_that_failed_is_made_up_for_as_soon_as_the_database_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE_AWAY_SECONDS", 0.01)
    claims = AwayOnce()
    identity = WorkerIdentity(name="w", device="cpu", model="")
    leases = Leases(claims, NoWorkers(), identity=identity, images_finished=lambda: 0)  # type: ignore[arg-type]
    with leases.hold(Claim(token="t", shard_id="s", job_id="j", priority=0, model=None, scale=1.0, items=())) as held:
        leases.start()
        assert claims.renewed.wait(60)
        leases.stop()
    assert claims.asked == 2
    assert not held.over
