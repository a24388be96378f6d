from collections.abc import Callable

import pytest

from shared.errors import DatabaseUnavailable, StoreUnavailable
from shared.jobs import reconciler as module
from shared.jobs.claims import Claims
from shared.jobs.dispatch import Dispatcher
from shared.jobs.reconciler import Reconciler
from shared.jobs.repository import Repository


class FakeRetention:
    """Has so many steps to do, or is away."""

    def __init__(self, steps: int = 0, error: Exception | None = None) -> None:
        self.steps, self.error, self.asked = steps, error, 0

    def step(self) -> bool:
        self.asked += 1
        if self.error:
            raise self.error
        self.steps -= 1
        return self.steps >= 0


class FakeDispatcher:
    def fill(self) -> int:
        return 7


@pytest.fixture
def make(repository: Repository, claims: Claims) -> Callable[[FakeRetention], Reconciler]:
    def make(retention: FakeRetention) -> Reconciler:
        dispatcher: Dispatcher = FakeDispatcher()  # type: ignore[assignment]
        return Reconciler(repository, claims, dispatcher, interval=0.01, retention=retention)  # type: ignore[arg-type]

    return make


def test_retention_is_done_in_small_pieces_and_then_rests(
    make: Callable[[FakeRetention], Reconciler], monkeypatch: pytest.MonkeyPatch
) -> None:
    retention = FakeRetention(steps=3)
    reconciler = make(retention)
    monkeypatch.setattr(module, "_RETENTION_SECONDS_A_ROUND", -1.0)
    for asked in (1, 2, 3, 4, 4):  # the fourth had nothing to do
        assert reconciler.round().published == 7
        assert retention.asked == asked


def test_a_store_that_is_away_holds_up_nothing_else(make: Callable[[FakeRetention], Reconciler]) -> None:
    retention = FakeRetention(error=StoreUnavailable("away"))
    reconciler = make(retention)
    for _ in range(2):
        assert reconciler.round().published == 7
    assert retention.asked == 1


def test_after_an_outage_of_the_database_leases_may_be_renewed_before_any_is_freed(
    make: Callable[[FakeRetention], Reconciler], claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconciler = make(FakeRetention())
    freed: list[int] = []
    monkeypatch.setattr(claims, "expire", lambda: freed.append(1) or 1)
    assert reconciler.round().freed == 1
    answers = iter([DatabaseUnavailable("away"), None])

    class StopsAfterTwoRounds:
        def __init__(self) -> None:
            self.rounds = 0

        def is_set(self) -> bool:
            return self.rounds == 2

        def wait(self, _seconds: float) -> None:
            self.rounds += 1

    def close_finished() -> int:
        if error := next(answers):
            raise error
        return 0

    monkeypatch.setattr(reconciler.repository, "close_finished", close_finished)
    reconciler.run(StopsAfterTwoRounds())  # type: ignore[arg-type]
    assert len(freed) == 2  # in the round that failed, and not in the one after it
