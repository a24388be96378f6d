"""A point that is armed strikes once; the journal counts what was written to it."""

import threading
from pathlib import Path

import pytest

from shared.errors import DeviceOutOfMemory
from tests.faults.journal import Executions, Journal
from tests.faults.points import Point, Points, Strike


def test_an_armed_point_strikes_one_who_comes_and_no_other(tmp_path: Path):
    points = Points(tmp_path)
    points.reach(Point.IN_BATCH)
    points.arm(Point.IN_BATCH, Strike.OUT_OF_MEMORY)
    points.reach(Point.AFTER_PUT)
    struck = []

    def come() -> None:
        try:
            points.reach(Point.IN_BATCH)
        except DeviceOutOfMemory as error:
            struck.append(error)

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(struck) == 1


def test_what_was_armed_and_nobody_came_to_is_named(tmp_path: Path):
    points = Points(tmp_path)
    points.arm(Point.PUBLISHING, Strike.OUT_OF_MEMORY)
    points.arm(Point.BEFORE_CLAIM, Strike.OUT_OF_MEMORY)
    with pytest.raises(DeviceOutOfMemory):
        points.reach(Point.BEFORE_CLAIM)
    assert points.disarm() == [Point.PUBLISHING]
    points.reach(Point.PUBLISHING)
    assert points.disarm() == []


def test_a_device_is_lost_to_the_process_that_was_struck_and_to_no_other(tmp_path: Path):
    struck, other = Points(tmp_path), Points(tmp_path)
    struck.arm(Point.IN_BATCH, Strike.LOSE_DEVICE)
    struck.use_device()
    struck.reach(Point.IN_BATCH)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="CUDA error"):
            struck.use_device()
    other.reach(Point.IN_BATCH)
    other.use_device()


def test_the_journal_counts_what_several_processes_wrote(tmp_path: Path):
    file = tmp_path / "journal"
    first, second = Journal(file), Journal(file)
    first.began("a")
    second.began("a")
    second.ended("a", "succeeded")
    first.ended("b", "cancelled")
    executions = Executions.read(file)
    assert (executions.began["a"], executions.succeeded["a"], executions.succeeded["b"]) == (2, 1, 0)
    assert Executions.read(tmp_path / "none").began.total() == 0
