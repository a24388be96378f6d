from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event

import pytest

from shared.bounded_map import bounded_map


@pytest.fixture
def executor():
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_the_order_is_that_of_the_values_whoever_ends_first(executor):
    second_done = Event()

    def work(value: int) -> int:
        if value == 0:
            second_done.wait(30)
        if value == 1:
            second_done.set()
        return value * value

    assert list(bounded_map(work, range(6), executor, ahead=3)) == [0, 1, 4, 9, 16, 25]


def test_of_endless_values_no_more_are_taken_than_are_in_flight(executor):
    numbers = count()
    results = bounded_map(lambda value: value, numbers, executor, ahead=5)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    results.close()
    assert next(numbers) <= 3 + 5


def test_an_error_comes_at_its_place_and_what_has_not_begun_is_cancelled(executor):
    begun: list[int] = []

    def work(value: int) -> int:
        begun.append(value)
        if value == 2:
            raise ValueError("two")
        return value

    results = bounded_map(work, range(1000), executor, ahead=8)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
    assert len(begun) <= 2 + 8
