from concurrent.futures import ThreadPoolExecutor, TimeoutError
from threading import Event, Lock

import pytest

from worker.memory import PixelBudget

PATIENCE = 60


def test_no_more_than_the_budget_is_in_flight():
    budget = PixelBudget(10)
    lock = Lock()
    held = most = 0

    def work(pixels: int) -> None:
        nonlocal held, most
        with budget.reserve(pixels):
            with lock:
                held += pixels
                most = max(most, held)
            with lock:
                held -= pixels

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [3, 4, 5, 6] * 50))
    assert 6 <= most <= 10


def test_an_image_larger_than_the_budget_goes_through_alone():
    budget = PixelBudget(10)
    inside, leave = Event(), Event()

    def large() -> None:
        with budget.reserve(1000):
            inside.set()
            assert leave.wait(PATIENCE)

    def small() -> str:
        with budget.reserve(1):
            return "through"

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(large)
        assert inside.wait(PATIENCE)
        second = pool.submit(small)
        with pytest.raises(TimeoutError):
            second.result(0.1)
        leave.set()
        assert second.result(PATIENCE) == "through"
        first.result(PATIENCE)
