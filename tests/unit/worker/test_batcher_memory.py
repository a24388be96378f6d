"""A device with too little memory for a batch: it is halved, and grows again."""

import gc
import itertools
import threading
import time
import weakref

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.errors import DeviceOutOfMemory
from tests.unit.worker.conftest import tile
from worker.batcher import Batcher, Tiles
from worker.gate import Gate

PATIENCE = 60


class SmallDevice:
    """Holds at most `fits` tiles."""

    def __init__(self, fits: int, error: type[Exception]) -> None:
        self.fits = fits
        self.error = error
        self.sizes: list[int] = []

    def __call__(self, tiles: Tiles) -> NDArray[np.uint8]:
        self.sizes.append(len(tiles))
        if len(tiles) > self.fits:
            raise self.error("too much")
        return (tiles + 1).astype(np.uint8)


@pytest.mark.parametrize("error", [DeviceOutOfMemory, MemoryError])
def test_out_of_memory_halves_the_batch_and_goes_on(error, monkeypatch):
    monkeypatch.setattr("worker.batcher._MAX_WAIT_SECONDS", PATIENCE)
    device = SmallDevice(2, error)
    batcher = Batcher(device, batch_size=8)
    with batcher.expecting():
        answers = [batcher.submit(tile(value)) for value in range(8)]
        assert [float(answer.result(PATIENCE)[0, 0]) for answer in answers] == list(range(1, 9))
        assert device.sizes[0] == 8
        # The lesson is kept: the next batches are that small from the start.
        device.sizes.clear()
        answers = [batcher.submit(tile(value)) for value in range(8)]
        for answer in answers:
            answer.result(PATIENCE)
        assert device.sizes == [2, 2, 2, 2]
    batcher.close()


def test_the_batch_grows_again_after_a_while_without_trouble(monkeypatch):
    monkeypatch.setattr("worker.batcher._MAX_WAIT_SECONDS", PATIENCE)
    monkeypatch.setattr("worker.batcher._BATCHES_BEFORE_GROWING", 3)
    device = SmallDevice(1, DeviceOutOfMemory)
    batcher = Batcher(device, batch_size=2)
    with batcher.expecting():
        for answer in [batcher.submit(tile(value)) for value in range(2)]:
            answer.result(PATIENCE)
        device.fits = 2
        for answer in [batcher.submit(tile(value)) for value in range(3)]:
            answer.result(PATIENCE)
        device.sizes.clear()
        for answer in [batcher.submit(tile(value)) for value in range(2)]:
            answer.result(PATIENCE)
    batcher.close()
    assert device.sizes == [2]


def test_a_tile_that_does_not_fit_alone_is_out_of_memory():
    batcher = Batcher(SmallDevice(0, DeviceOutOfMemory), batch_size=4)
    with pytest.raises(DeviceOutOfMemory, match="not even one tile"):
        batcher.submit(tile(0)).result(PATIENCE)
    batcher.close()


class Keeps:
    """Keeps an array of its own in a frame of the error that it raises for more than one tile."""

    def __init__(self) -> None:
        self.kept: list[weakref.ref[np.ndarray]] = []
        self.alive_at_retry: list[bool] = []

    def __call__(self, tiles: Tiles) -> NDArray[np.uint8]:
        self.alive_at_retry += [reference() is not None for reference in self.kept]
        if len(tiles) > 1:
            activations = np.zeros(10, np.float32)
            self.kept.append(weakref.ref(activations))
            raise MemoryError("too much")
        return (tiles + 1).astype(np.uint8)


def test_what_did_not_fit_is_gone_when_half_of_it_is_tried(monkeypatch):
    monkeypatch.setattr("worker.batcher._MAX_WAIT_SECONDS", PATIENCE)
    network = Keeps()
    batcher = Batcher(network, batch_size=2)
    gc.disable()
    try:
        with batcher.expecting():
            for answer in [batcher.submit(tile(value)) for value in range(2)]:
                answer.result(PATIENCE)
    finally:
        gc.enable()
    batcher.close()
    assert network.alive_at_retry == [False, False]


def test_no_other_batch_is_in_the_network_while_half_of_one_is_tried():
    """Of two batchers on one device, as of two models."""
    at_once: list[int] = []
    inside = 0
    lock = threading.Lock()
    both_in, failed = threading.Barrier(2, timeout=PATIENCE), threading.Event()

    def network(tiles: Tiles) -> NDArray[np.uint8]:
        nonlocal inside
        with lock:
            inside += 1
            now = inside
        try:
            if len(tiles) == 2:
                both_in.wait()
                failed.set()
                raise DeviceOutOfMemory("too much")
            if tiles[0, 0, 0] == 9:  # the other lane's
                both_in.wait()
                assert failed.wait(PATIENCE)
                time.sleep(0.05)  # long enough for a retry that does not wait
            else:
                at_once.append(now)
            return (tiles + 1).astype(np.uint8)
        finally:
            with lock:
                inside -= 1

    gate = Gate()
    one, two = Batcher(network, batch_size=2, gate=gate), Batcher(network, batch_size=2, gate=gate)
    with one._changed:
        answers = [one.submit(tile(value)) for value in range(2)]
    other = two.submit(tile(9))
    for answer in [*answers, other]:
        answer.result(PATIENCE)
    one.close()
    two.close()
    assert at_once == [1, 1]


def test_a_batch_that_grew_too_far_waits_twice_as_long(monkeypatch):
    monkeypatch.setattr("worker.batcher._MAX_WAIT_SECONDS", PATIENCE)
    monkeypatch.setattr("worker.batcher._BATCHES_BEFORE_GROWING", 2)
    device = SmallDevice(1, DeviceOutOfMemory)
    batcher = Batcher(device, batch_size=2)
    with batcher.expecting():
        for _ in range(20):
            for answer in [batcher.submit(tile(value)) for value in range(2)]:
                answer.result(PATIENCE)
    batcher.close()
    tries = [place for place, size in enumerate(device.sizes) if size == 2]
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert pauses == [3, 5, 9, 17][: len(pauses)]
    assert len(pauses) >= 3
