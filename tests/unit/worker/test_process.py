"""What a worker does before it has work."""

from collections.abc import Iterator
from typing import Any

import pytest

from shared.errors import BrokerUnavailable, ConfigurationError, DatabaseUnavailable, StoreUnavailable
from shared.services import Services
from worker.process import WorkerProcess
from worker.startup import wait_for


class Coming:
    """Services of which each check has the next answer."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers: Iterator[Exception | None] = iter(answers)

    def check(self) -> None:
        if error := next(self.answers):
            raise error


def outage() -> StoreUnavailable:
    return StoreUnavailable("the store does not answer")


def waited(services: Any, patience: float) -> list[float]:
    pauses: list[float] = []
    wait_for(services, patience, sleep=pauses.append)
    return pauses


def test_services_that_come_up_are_waited_for() -> None:
    assert waited(Coming(outage(), outage(), None), patience=60) == [1.0, 1.0]


def test_a_real_outage_is_waited_for(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([BrokerUnavailable("Redis does not answer"), DatabaseUnavailable("the database is away"), None])

    def check() -> None:
        if error := next(answers):
            raise error

    monkeypatch.setattr(services.database, "check", check)
    monkeypatch.setattr(services.queue, "check", lambda: None)
    monkeypatch.setattr(services.store, "check", lambda: None)
    assert waited(services, patience=60) == [1.0, 1.0]


def test_nobody_waits_for_what_would_come_too_late() -> None:
    with pytest.raises(ConfigurationError, match="does not answer"):
        waited(Coming(outage()), patience=0.5)


def test_a_setting_that_is_wrong_does_not_get_better_by_waiting() -> None:
    with pytest.raises(ConfigurationError, match="BROKER_URL"):
        waited(Coming(ConfigurationError("BROKER_URL is no Redis address")), patience=60)


def test_without_a_start_no_shard_is_taken(services: Any) -> None:
    process = WorkerProcess(services.settings)
    with pytest.raises(RuntimeError, match="was not started"):
        process.process_shard("a")
    process.services.close()
