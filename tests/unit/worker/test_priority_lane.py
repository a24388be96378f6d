"""What is urgent goes before the claims in work, at each of their stages."""

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.errors import BrokerUnavailable, DatabaseUnavailable
from shared.images.codec import DecodedImage
from shared.jobs.records import Priority
from shared.jobs.state import JobStatus
from shared.queue.dispatch import Dispatcher
from shared.services import Services
from tests.unit.worker.conftest import Submit, decode_here, png
from worker.batcher import Batcher, Tiles
from worker.pipeline import Pipeline
from worker.priority_lane import PriorityLane

PATIENCE = 60


class Announcements:
    """A listener that the test speaks to; `error` makes it fail."""

    def __init__(self) -> None:
        self.said: SimpleQueue[None] = SimpleQueue()
        self.error: Exception | None = None
        self.failed = threading.Event()
        self.closed = False

    def wait(self, seconds: float) -> bool:
        if self.error is not None:
            self.failed.set()
            raise self.error
        try:
            self.said.get(timeout=seconds)
        except Empty:
            return False
        return True

    def close(self) -> None:
        self.closed = True


class Urgent:
    """Shards that are urgent, and what was run of them; notes which shard was asked about."""

    def __init__(self) -> None:
        self.in_work: str | None = None
        self.waiting: list[str] = []
        self.asked: list[str] = []
        self.ran: SimpleQueue[str] = SimpleQueue()
        self.error: Exception | None = None
        self.raised = threading.Event()

    def more(self, shard_id: str) -> str | None:
        self.asked.append(shard_id)
        if self.error is not None:
            self.raised.set()
            raise self.error
        return self.waiting[0] if self.waiting else None

    def run(self, shard_id: str) -> bool:
        self.waiting.remove(shard_id)
        self.ran.put(shard_id)
        return True


@pytest.fixture
def urgent() -> Urgent:
    return Urgent()


@pytest.fixture
def announcements() -> Announcements:
    return Announcements()


@pytest.fixture
def priority_lane(urgent: Urgent, announcements: Announcements) -> Iterator[PriorityLane]:
    priority_lane = PriorityLane(
        announcements, least_urgent=lambda: urgent.in_work, more_urgent=urgent.more, run=urgent.run
    )
    yield priority_lane
    priority_lane.close()
    assert announcements.closed


@pytest.mark.usefixtures("priority_lane")
def test_what_is_urgent_runs_beside_a_claim_in_work(urgent: Urgent, announcements: Announcements) -> None:
    urgent.waiting, urgent.in_work = ["first", "second"], "large"
    announcements.said.put(None)
    assert [urgent.ran.get(timeout=PATIENCE) for _ in range(2)] == ["first", "second"]
    assert set(urgent.asked) == {"large"}


@pytest.mark.usefixtures("priority_lane")
def test_without_an_announcement_it_looks_too(urgent: Urgent) -> None:
    urgent.waiting, urgent.in_work = ["urgent"], "large"
    assert urgent.ran.get(timeout=PATIENCE) == "urgent"


@pytest.mark.usefixtures("priority_lane")
def test_without_a_claim_in_work_nobody_looks(urgent: Urgent, announcements: Announcements) -> None:
    urgent.waiting = ["urgent"]
    for _ in range(2):  # when the second is taken, the look of the first is over
        announcements.said.put(None)
        while not announcements.said.empty():
            threading.Event().wait(0.01)
    assert urgent.asked == []
    urgent.in_work = "large"
    assert urgent.ran.get(timeout=PATIENCE) == "urgent"


@pytest.mark.usefixtures("priority_lane")
@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), ValueError("a defect")])
def test_no_error_ends_the_looking(urgent: Urgent, error: Exception) -> None:
    urgent.error, urgent.waiting, urgent.in_work = error, ["urgent"], "large"
    assert urgent.raised.wait(PATIENCE)
    urgent.error = None
    assert urgent.ran.get(timeout=PATIENCE) == "urgent"


@pytest.mark.usefixtures("priority_lane")
@pytest.mark.parametrize("error", [BrokerUnavailable("away"), ValueError("a defect")])
def test_without_announcements_it_looks_by_itself(
    urgent: Urgent, announcements: Announcements, error: Exception
) -> None:
    announcements.error = error
    assert announcements.failed.wait(PATIENCE)
    if isinstance(error, ValueError):
        announcements.error = None
    urgent.waiting, urgent.in_work = ["urgent"], "large"
    assert urgent.ran.get(timeout=PATIENCE) == "urgent"


def test_an_urgent_image_does_not_stand_in_line_behind_a_claim_in_work(
    make_pipeline: Callable[..., Pipeline], services: Services, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every place of those who load is taken, and more images than the process has threads wait for one."""
    loading, go_on = threading.Semaphore(0), threading.Event()

    def decode(data: bytes, channel: str) -> DecodedImage:
        image = decode_here(data, channel)
        if image.pixels.shape == (64, 64):
            loading.release()
            assert go_on.wait(PATIENCE)
        return image

    large = submit({f"{number}.png": png(64, 64) for number in range(20)})
    dispatcher = Dispatcher(services.database, services.queue, window=1, resend_after=60)
    monkeypatch.setattr(services.dispatcher, "more_urgent", dispatcher.more_urgent)
    pipeline = make_pipeline(decode=decode)
    thread = threading.Thread(target=pipeline.process_shard, args=(large.id,))
    thread.start()
    try:
        assert all(loading.acquire(timeout=PATIENCE) for _ in range(2))
        urgent = submit({"urgent.png": png(48, 48)}, Priority.HIGH)
        for _ in range(100 * PATIENCE):
            if services.repository.job(urgent.job_id).state is JobStatus.SUCCEEDED:
                break
            threading.Event().wait(0.01)
        assert services.repository.job(urgent.job_id).state is JobStatus.SUCCEEDED
        assert services.repository.job(large.job_id).counts.succeeded == 0
    finally:
        go_on.set()
        thread.join(PATIENCE)
    assert services.repository.job(large.job_id).state is JobStatus.SUCCEEDED


def test_urgent_tiles_go_first_in_batches_of_their_own() -> None:
    entered, go_on = threading.Event(), threading.Event()
    batches: list[list[float]] = []

    def predict(tiles: Tiles) -> NDArray[np.uint8]:
        entered.set()
        assert go_on.wait(PATIENCE)
        batches.append([float(tile[0, 0]) for tile in tiles])
        return tiles.astype(np.uint8)

    def submitted(value: int, **options: Any) -> Any:
        return batcher.submit(np.full((4, 4), value, dtype=np.float32), **options)

    batcher = Batcher(predict, batch_size=4)
    try:
        answers = [submitted(0)]
        assert entered.wait(PATIENCE)
        answers += [submitted(1), submitted(2), submitted(3, urgent=True), submitted(4), submitted(5, urgent=True)]
        go_on.set()
        assert [answer.result(PATIENCE)[0, 0] for answer in answers] == [0, 1, 2, 3, 4, 5]
    finally:
        go_on.set()
        batcher.close()
    assert batches == [[0], [3, 5], [1, 2, 4]]
