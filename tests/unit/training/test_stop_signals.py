"""Signals that come while the processes that synthesise are started."""

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from training.data.synthetic import stop_signals_held


class Stopped(Exception):
    """What the handler raises."""


@pytest.fixture
def raising() -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        raise Stopped

    before = signal.signal(signal.SIGTERM, stop)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def other_thread() -> Iterator[int]:
    """The identity of a thread that gets signals as those of tensorboard and of arithmetic do."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    assert thread.ident is not None
    yield thread.ident
    end.set()
    thread.join()


def begin(begun: list[bool], signalled: int) -> None:
    with stop_signals_held():
        signal.pthread_kill(signalled, signal.SIGTERM)
        time.sleep(0.05)  # time for a handler to run
        begun.append(True)


@pytest.mark.usefixtures("raising")
def test_a_signal_that_another_thread_gets_stops_nothing_half_begun(other_thread: int) -> None:
    begun: list[bool] = []
    with pytest.raises(Stopped):
        begin(begun, other_thread)
    assert begun


@pytest.mark.usefixtures("raising")
def test_a_signal_to_this_thread_comes_afterwards_too() -> None:
    begun: list[bool] = []
    with pytest.raises(Stopped):
        begin(begun, threading.get_ident())
    assert begun
