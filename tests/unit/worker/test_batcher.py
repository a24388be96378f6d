import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.errors import DeviceFailed
from tests.unit.worker.conftest import tile
from worker.batcher import Batcher, Tiles

PATIENCE = 60


class Network:
    """Adds 1 to each tile, a batch at a time, when it is allowed to."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.allowed = threading.Event()
        self.entered = threading.Event()
        self.allowed.set()

    def __call__(self, tiles: Tiles) -> NDArray[np.uint8]:
        self.entered.set()
        assert self.allowed.wait(PATIENCE)
        self.batches.append([float(each[0, 0]) for each in tiles])
        return (tiles + 1).astype(np.uint8)

    def block(self) -> None:
        self.allowed.clear()
        self.entered.clear()


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def batcher(network: Network) -> Iterator[Batcher]:
    batcher = Batcher(network, batch_size=4)
    yield batcher
    network.allowed.set()
    batcher.close()


def fill_while_busy(batcher: Batcher, network: Network, values: list[float]) -> list[float]:
    """Submit `values` while the network is busy with one tile, so that they stand in the queue together."""
    network.block()
    first = batcher.submit(tile(-1))
    assert network.entered.wait(PATIENCE)
    answers = [batcher.submit(tile(value)) for value in values]
    network.allowed.set()
    first.result(PATIENCE)
    return [float(answer.result(PATIENCE)[0, 0]) for answer in answers]


def test_each_tile_gets_its_own_answer_in_order(batcher, network):
    assert fill_while_busy(batcher, network, [0, 1, 2, 3, 4, 5]) == [1, 2, 3, 4, 5, 6]


def test_tiles_are_pooled_up_to_the_batch_size(batcher, network):
    fill_while_busy(batcher, network, [0, 1, 2, 3, 4, 5])
    assert network.batches == [[-1], [0, 1, 2, 3], [4, 5]]


def test_tiles_of_several_threads_share_a_batch(batcher, network):
    network.block()
    first = batcher.submit(tile(-1))
    assert network.entered.wait(PATIENCE)
    answers = []
    threads = [threading.Thread(target=lambda v=v: answers.append(batcher.submit(tile(v)))) for v in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    network.allowed.set()
    for answer in [first, *answers]:
        answer.result(PATIENCE)
    assert sorted(network.batches[1]) == [0, 1, 2, 3]


def test_a_batch_waits_for_tiles_that_are_coming(network, monkeypatch):
    monkeypatch.setattr("worker.batcher._MAX_WAIT_SECONDS", PATIENCE)
    batcher = Batcher(network, batch_size=2)
    with batcher.expecting():
        first = batcher.submit(tile(0))
        second = batcher.submit(tile(1))
        assert second.result(PATIENCE)[0, 0] == 2
    first.result(PATIENCE)
    assert network.batches == [[0, 1]]
    # Nothing is expected any more: one tile goes at once, though the wait would be a minute.
    assert batcher.submit(tile(2)).result(PATIENCE / 2)[0, 0] == 3
    batcher.close()


def test_an_error_reaches_only_the_tile_at_fault(monkeypatch):
    monkeypatch.setattr("worker.batcher._MAX_WAIT_SECONDS", PATIENCE)

    def picky(tiles: Tiles) -> NDArray[np.uint8]:
        if (tiles == 2).any():
            raise ValueError("no twos")
        return (tiles + 1).astype(np.uint8)

    batcher = Batcher(picky, batch_size=4)
    with batcher.expecting():
        answers = [batcher.submit(tile(value)) for value in range(4)]
        assert [float(answers[value].result(PATIENCE)[0, 0]) for value in (0, 1, 3)] == [1, 2, 4]
        with pytest.raises(ValueError, match="no twos"):
            answers[2].result(PATIENCE)
    batcher.close()


def test_several_threads_share_the_tiles_and_answer_each():
    together = threading.Barrier(2, timeout=PATIENCE)

    def network(tiles: Tiles) -> NDArray[np.uint8]:
        together.wait()  # passes only when two batches are in the network at once
        return (tiles + 1).astype(np.uint8)

    batcher = Batcher(network, batch_size=8, threads=2)
    with batcher._changed:  # nobody takes a batch before all tiles are there
        answers = [batcher.submit(tile(value)) for value in range(8)]
    assert [int(answer.result(PATIENCE)[0, 0]) for answer in answers] == list(range(1, 9))
    batcher.close()


def test_many_tiles_from_many_threads_are_each_answered_once():
    batcher = Batcher(lambda tiles: (tiles + 1).astype(np.uint8), batch_size=4, threads=3)

    def client(first: int) -> None:
        for value in range(first, first + 40):
            assert batcher.submit(tile(value)).result(PATIENCE)[0, 0] == value + 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(client, range(0, 200, 10)))
    batcher.close()


def test_closing_answers_what_is_queued(network):
    batcher = Batcher(network, batch_size=4)
    network.block()
    answers = [batcher.submit(tile(value)) for value in range(6)]
    network.allowed.set()
    batcher.close()
    assert [float(answer.result(0)[0, 0]) for answer in answers] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit(tile(0))


def test_a_batch_has_tiles_of_one_size_and_large_ones_count_by_their_area() -> None:
    shapes: list[tuple[int, ...]] = []
    begun, allowed = threading.Event(), threading.Event()

    def predict(tiles: Tiles) -> NDArray[np.uint8]:
        begun.set()
        assert allowed.wait(PATIENCE)
        shapes.append(tiles.shape)
        return (tiles + 1).astype(np.uint8)

    batcher = Batcher(predict, batch_size=4)
    first = batcher.submit(tile(0))
    assert begun.wait(PATIENCE)
    sides = [512, 1024, 512, 768, 1024, 512, 768, 768]
    answers = [batcher.submit(np.full((side, side), side, np.float32)) for side in sides]
    allowed.set()
    assert first.result(PATIENCE).shape == (4, 4)
    for side, answer in zip(sides, answers, strict=True):
        assert answer.result(PATIENCE).shape == (side, side)
        assert answer.result(PATIENCE)[0, 0] == (side + 1) % 256
    batcher.close()
    assert shapes[1:] == [(3, 512, 512), (1, 1024, 1024), (2, 768, 768), (1, 1024, 1024), (1, 768, 768)]


def test_a_gpu_s_batches_have_few_sizes(network):
    batcher = Batcher(network, batch_size=8, powers_of_two=True)
    for count in range(1, 14):
        fill_while_busy(batcher, network, list(range(count)))
    batcher.close()
    assert {len(batch) for batch in network.batches} == {1, 2, 4, 8}


def test_a_lost_device_answers_nobody_and_is_not_tried_again():
    calls: list[int] = []

    def network(tiles: Tiles) -> NDArray[np.uint8]:
        calls.append(len(tiles))
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    batcher = Batcher(network, batch_size=4, is_lost=lambda: True)
    with batcher._changed:
        answers = [batcher.submit(tile(value)) for value in range(12)]
    for answer in answers:
        with pytest.raises(DeviceFailed, match="illegal memory access"):
            answer.result(PATIENCE)
    assert len(calls) == 1
    with pytest.raises(DeviceFailed):
        batcher.submit(tile(0))
    batcher.close()


def test_a_device_error_that_only_one_tile_meets_is_that_tile_s(monkeypatch):
    """Else it would be released, and tried again, for ever."""
    monkeypatch.setattr("worker.batcher._MAX_WAIT_SECONDS", PATIENCE)

    def picky(tiles: Tiles) -> NDArray[np.uint8]:
        if (tiles == 2).any():
            raise DeviceFailed("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED")
        return (tiles + 1).astype(np.uint8)

    batcher = Batcher(picky, batch_size=4, is_lost=lambda: False)
    with batcher.expecting():
        answers = [batcher.submit(tile(value)) for value in range(4)]
        assert [float(answers[value].result(PATIENCE)[0, 0]) for value in (0, 1, 3)] == [1, 2, 4]
        with pytest.raises(RuntimeError, match="NOT_SUPPORTED"):
            answers[2].result(PATIENCE)
    batcher.close()


def test_an_error_in_place_of_an_answer_is_that_tile_s():
    batcher = Batcher(lambda tiles: [ValueError("no number") if t[0, 0] == 2 else t for t in tiles], batch_size=4)
    with batcher._changed:
        answers = [batcher.submit(tile(value)) for value in range(4)]
    assert [float(answers[value].result(PATIENCE)[0, 0]) for value in (0, 1, 3)] == [0, 1, 3]
    with pytest.raises(ValueError, match="no number"):
        answers[2].result(PATIENCE)
    batcher.close()
