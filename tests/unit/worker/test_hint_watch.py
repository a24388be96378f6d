import logging

import pytest

from shared.errors import BrokerUnavailable
from worker.hint_watch import HintWatch

LOOKS = 21  # within the limit, and one more


def look(watch: HintWatch, times: int = LOOKS) -> None:
    for _ in range(times):
        watch.look()


def test_a_worker_that_no_hint_reaches_while_work_waits_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    watch = HintWatch(60, lambda: True)
    look(watch, LOOKS - 1)
    assert watch.gets_hints
    look(watch, 3 * LOOKS)
    assert not watch.gets_hints
    [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "60 s" in line.getMessage()


def test_a_hint_that_comes_ends_the_alarm() -> None:
    watch = HintWatch(60, lambda: True)
    look(watch)
    with watch.working():
        assert watch.gets_hints
        look(watch, 3 * LOOKS)  # busy, so others may wait
        assert watch.gets_hints
    look(watch, LOOKS - 1)
    assert watch.gets_hints


def test_an_idle_worker_without_work_is_fine() -> None:
    watch = HintWatch(60, lambda: False)
    look(watch, 3 * LOOKS)
    assert watch.gets_hints


def test_work_that_is_begun_by_others_in_between_is_no_sign() -> None:
    waits = iter([True, False] * 2 * LOOKS)
    watch = HintWatch(60, lambda: next(waits))
    look(watch, 3 * LOOKS)
    assert watch.gets_hints


def test_an_outage_is_not_told_as_this() -> None:
    def away() -> bool:
        raise BrokerUnavailable("away")

    watch = HintWatch(60, away)
    look(watch, 3 * LOOKS)
    assert watch.gets_hints


def test_the_thread_looks_by_itself() -> None:
    watch = HintWatch(0.02, lambda: True)
    watch.start()
    while watch.gets_hints:
        pass
    watch.stop()
