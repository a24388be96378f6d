"""Batches that are read ahead: in order, in time, and by a thread that ends."""

import itertools
import threading
import time

import pytest

from training.recipe.prefetch import prefetched

PATIENCE = 60


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "prefetch"]


def test_all_come_in_order():
    assert list(prefetched(iter(range(20)))) == list(range(20))
    assert not threads()


def test_the_next_ones_are_read_while_the_network_is_busy_and_no_more_than_that():
    read: list[int] = []
    two_ahead = threading.Event()

    def source():
        for number in itertools.count():
            read.append(number)
            if number == 2:
                two_ahead.set()
            yield number

    batches = prefetched(source(), depth=2)
    assert next(batches) == 0
    # The network is busy with the first: the two after it are read meanwhile, by nobody else's asking.
    assert two_ahead.wait(PATIENCE)
    time.sleep(0.05)
    assert read == [0, 1, 2]
    batches.close()
    assert not threads()


def test_reading_and_computing_go_on_at_the_same_time():
    """Each waits for the other, so that none gets on where they take turns."""
    reading, computing = threading.Semaphore(0), threading.Semaphore(0)

    def source():
        for number in range(5):
            if number:
                computing.release()
                assert reading.acquire(timeout=PATIENCE)
            yield number

    for number in prefetched(source(), depth=1):
        if number < 4:
            assert computing.acquire(timeout=PATIENCE)
            reading.release()


def test_an_error_comes_where_its_batch_would_have():
    def source():
        yield 1
        raise ValueError("a file that is none")

    batches = prefetched(source())
    assert next(batches) == 1
    with pytest.raises(ValueError, match="a file that is none"):
        next(batches)
    assert not threads()


def test_leaving_closes_the_source():
    closed = threading.Event()

    def source():
        try:
            yield from itertools.count()
        finally:
            closed.set()

    batches = prefetched(source())
    next(batches)
    batches.close()
    assert closed.is_set()
    assert not threads()
