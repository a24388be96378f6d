from threading import Event

from worker.watchdog import Watchdog

PATIENCE = 60


def test_work_that_stands_still_ends_the_process():
    stuck = Event()
    watchdog = Watchdog(0.2, on_stuck=stuck.set)
    watchdog.start()
    with watchdog.watching():
        assert stuck.wait(PATIENCE)
    watchdog.stop()


def test_an_idle_process_is_left_alone():
    stuck, other_stuck = Event(), Event()
    idle, working = Watchdog(0.2, on_stuck=stuck.set), Watchdog(0.6, on_stuck=other_stuck.set)
    idle.start()
    with idle.watching():
        pass
    working.start()
    with working.watching():  # measures three times the limit of the other
        assert other_stuck.wait(PATIENCE)
    assert not stuck.is_set()
    idle.stop()
    working.stop()


def test_progress_keeps_the_process_alive():
    stuck, other_stuck = Event(), Event()
    moving, standing = Watchdog(1.0, on_stuck=stuck.set), Watchdog(3.0, on_stuck=other_stuck.set)
    moving.start()
    standing.start()
    with moving.watching(), standing.watching():
        while not other_stuck.wait(0.01):
            moving.progress()
    assert not stuck.is_set()
    moving.stop()
    standing.stop()
