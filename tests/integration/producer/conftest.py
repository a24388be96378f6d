"""The command line over SQLite, a local folder and a real Redis, and a stand-in for the worker."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from producer.cli import main
from shared.config import load_settings
from shared.db.tables.jobs import ShardRow
from shared.errors import ItemErrorCode
from shared.images.codec import encode_grey, encode_mask, encode_probability
from shared.jobs.records import ClaimedItem, Failure, Outcome, Success
from shared.services import Services, connect
from shared.store import keys
from shared.synth import synthesise
from tests.outcomes import success
from tests.prepared_tables import make_tables

Producer = Callable[..., Result]

# Debian's Python would be another one than that of the tests.
COMMAND = (sys.executable, "-c", "from producer.cli import main; main()")


@pytest.fixture
def environment(tmp_path: Path, broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the settings at a home folder of the test's own, which is returned; nothing is made there."""
    home = tmp_path / "home"
    monkeypatch.setenv("DELINEATE_HOME", str(home))
    monkeypatch.setenv("BROKER_URL", broker_url)
    for name in ("DATABASE_URL", "STORE_URL", "S3_ENDPOINT_URL", "LOG_LEVEL"):
        monkeypatch.setenv(name, "")
    return home


@pytest.fixture
def services(environment: Path) -> Iterator[Services]:
    """The stack's services, ready, with nobody at work."""
    services = connect(load_settings())
    make_tables(services.database)
    services.store.prepare()
    services.check()
    yield services
    services.close()


@pytest.fixture
def producer() -> Iterator[Producer]:
    """Run a command in this process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@contextmanager
def producer_process(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a process of its own, which ends with the body at the latest."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def worker(services: Services) -> Iterator[None]:
    """A worker's part in this process: claims what is there, stores results, completes.

    Sources that begin with `bad` fail; the other images get a mask of 30×20 whose left half is set.
    """
    stop = Event()
    thread = Thread(target=_work, args=(services, stop), name="worker")
    thread.start()
    yield
    stop.set()
    thread.join()


def _work(services: Services, stop: Event) -> None:
    while not stop.is_set():
        with services.database.read() as connection:
            waiting = connection.execute(select(ShardRow.id).where(ShardRow.pending > 0)).scalars().all()
        for shard_id in waiting:
            claim = services.claims.claim(shard_id, worker="test")
            if claim is not None:
                services.claims.complete(claim, [_outcome(services, item) for item in claim.items])
        services.repository.close_finished()
        stop.wait(0.02)


def _outcome(services: Services, item: ClaimedItem) -> Outcome:
    if item.synthesis:
        return _synthetic(services, item)
    assert item.source_key is not None
    if services.store.get(item.source_key).startswith(b"bad"):
        return Failure(item.id, ItemErrorCode.NOT_AN_IMAGE, "no image", 0.1)
    mask = np.zeros((20, 30), dtype=np.bool_)
    mask[:, :15] = True
    return _success(services, item, mask, dice=None)


def _synthetic(services: Services, item: ClaimedItem) -> Outcome:
    sample = synthesise(size=128, **item.synthesis or {})
    source, truth = keys.source(item.job_id, item.id, ".png"), keys.truth(item.job_id, item.id)
    services.store.put(source, encode_grey(sample.image))
    services.store.put(truth, encode_mask(sample.mask))
    dice = 1.0 - (item.synthesis or {})["severity"] / 4
    return _success(services, item, sample.mask, dice=dice, source_key=source, truth_key=truth)


def _success(services: Services, item: ClaimedItem, mask: np.ndarray, **values: object) -> Success:
    mask_key, probability_key = keys.mask(item.job_id, item.id), keys.probability(item.job_id, item.id)
    services.store.put(mask_key, encode_mask(mask))
    services.store.put(probability_key, encode_probability(mask.astype(np.uint8) * np.uint8(200)))
    dice = values["dice"]
    iou = None if dice is None else dice / (2 - dice)  # type: ignore[operator]
    stored = {"width": mask.shape[1], "height": mask.shape[0], "mask_key": mask_key, "probability_key": probability_key}
    return success(item.id, foreground=float(mask.mean()), iou=iou, **stored, **values)


@pytest.fixture(autouse=True)
def _files_count_as_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for a test's files, which are never older than a second, to be left alone for a while."""
    monkeypatch.setattr("shared.flows.upload._SETTLED_SECONDS", 0.0)
