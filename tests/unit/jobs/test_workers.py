"""The table of living workers, and how fast they say they run."""

import pytest

from shared.db.database import Database
from shared.db.tables.base import new_id
from shared.jobs.workers import Memory, Performance, Workers


def test_a_worker_appears_with_what_it_said_last(database: Database) -> None:
    workers, worker_id = Workers(database), new_id()
    workers.report(worker_id, name="studio:7", device="cpu", model="ab" * 32, images=0)
    (worker,) = workers.alive(within=60)
    assert (worker.performance, worker.memory) == (Performance(), Memory())
    workers.report(
        worker_id, name="studio:7", device="cpu", model="ab" * 32, images=640,
        performance=Performance(images_per_second=60.0, bare_images_per_second=80.0, limiting_stage="infer"),
        memory=Memory(2**31, 2**32, 2**36),
    )  # fmt: skip
    (worker,) = workers.alive(within=60)
    assert (worker.name, worker.images, worker.age < 60) == ("studio:7", 640, True)
    assert worker.performance == Performance(60.0, 80.0, "infer")
    assert worker.memory == Memory(2**31, 2**32, 2**36)
    workers.remove(worker_id)
    assert not workers.alive(within=60)


def test_a_worker_that_stands_still_says_so(database: Database) -> None:
    """What it does not know any more does not stay as it was."""
    workers, worker_id = Workers(database), new_id()
    for performance in (Performance(60.0, 80.0, "infer"), Performance(bare_images_per_second=80.0)):
        workers.report(worker_id, name="w", device="cpu", model="0" * 64, images=1, performance=performance)
    assert workers.alive(within=60)[0].performance == Performance(None, 80.0, None)


@pytest.mark.parametrize(
    ("rate", "bare", "share"), [(60.0, 80.0, 0.75), (0.0, 80.0, 0.0), (None, 80.0, None), (60.0, None, None)]
)
def test_the_share_of_the_bare_model(rate: float | None, bare: float | None, share: float | None) -> None:
    assert Performance(images_per_second=rate, bare_images_per_second=bare).share == share
