"""A pipeline over SQLite and objects in memory, with a network that is easily predicted."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.config import load_settings
from shared.db.tables.base import new_id
from shared.images.codec import DecodedImage, DecodeLimits, decode, encode_grey
from shared.jobs.records import Item, NewItem, Priority, Unfamiliar
from shared.jobs.state import JobKind
from shared.net.backends.contract import Answer
from shared.net.familiarity import FittedScores
from shared.net.intake import AS_SHIPPED, Intake
from shared.pixel_size import PixelSize
from shared.services import Services, connect
from shared.store import keys
from tests.prepared_tables import make_tables
from worker.batcher import Batcher, Tiles
from worker.items import ItemProcessor
from worker.leases import Leases, WorkerIdentity
from worker.memory import PixelBudget
from worker.model_cache import ModelCache, ServedModel, answers_or_errors
from worker.pipeline import Pipeline
from worker.throughput import ThroughputMeter, stage_pools
from worker.watchdog import Watchdog
from worker.windows import Windows

LIMITS = DecodeLimits(min_side=16, max_side=4096)
LARGE_LIMITS = DecodeLimits(min_side=16, max_side=6000, max_pixels=30_000_000)


def tile(value: float) -> NDArray[np.float32]:
    return np.full((4, 4), value, dtype=np.float32)


def decode_here(data: bytes, channel: str = "auto") -> DecodedImage:
    return decode(data, limits=LIMITS, channel=channel)


@dataclass
class BrightIsForeground:
    """Stands in for the network: what is brighter than the image's mean has probability 0.8, the rest 0.2."""

    sha256: str = "f" * 64
    threshold: float = 0.5
    scores: FittedScores | None = None
    intake: Intake = AS_SHIPPED
    batches: list[int] = field(default_factory=list)

    def predict(self, tiles: Tiles) -> list[Answer]:
        self.batches.append(len(tiles))
        return [Answer(levels) for levels in np.where(tiles > 0, 204, 51).astype(np.uint8)]


def none_published(sha256: str) -> BrightIsForeground:
    raise AssertionError(f"nobody published {sha256}")


@dataclass
class NoDispatcher:
    """Counts how often the window of hints was to be filled."""

    fills: int = 0

    def fill(self) -> int:
        self.fills += 1
        return 0

    def more_urgent(self, _shard_id: str) -> str | None:
        return None


@pytest.fixture
def model() -> BrightIsForeground:
    return BrightIsForeground()


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Without a broker: the hints that would go out are counted."""
    opened = connect(
        load_settings(
            delineate_home=tmp_path,
            database_url=f"sqlite:///{tmp_path / 'test.sqlite3'}",
            store_url=f"memory://{uuid.uuid4()}",
            broker_url="redis://127.0.0.1:1/0",
            lease_seconds=30,
        )
    )
    services = replace(opened, dispatcher=NoDispatcher())  # type: ignore[arg-type]
    make_tables(services.database)
    services.store.prepare()
    yield services
    services.close()


@pytest.fixture
def make_pipeline(services: Services, model: BrightIsForeground) -> Iterator[Callable[..., Pipeline]]:
    closing: list[Callable[[], None]] = []

    def make(
        *,
        pixels: int = 10**7,
        tiles_in_flight: int = 8,
        decode: Callable[[bytes, str], DecodedImage] = decode_here,
        load_model: Callable[[str], BrightIsForeground] = none_published,
        sleep: Callable[[float], None] = time.sleep,
        is_lost: Callable[[], bool] = lambda: False,
        on_stuck: Callable[[], None] = lambda: None,
    ) -> Pipeline:
        watchdog = Watchdog(60, on_stuck)

        def served(model: BrightIsForeground) -> ServedModel:
            network = answers_or_errors(model.sha256, model.predict)
            batcher = Batcher(network, batch_size=4, on_batch=watchdog.progress, is_lost=is_lost)
            return ServedModel(model.sha256, model.threshold, batcher, model.scores, "a device, float32", model.intake)

        models = ModelCache(served(model), lambda sha256: served(load_model(sha256)))
        budget = PixelBudget(pixels)
        items = ItemProcessor(
            services.store,
            decode=decode,
            budget=budget,
            windows=Windows(budget, limits=LARGE_LIMITS, decode_seconds=60, tiles_in_flight=tiles_in_flight),
            io_threads=2,
            tiles_in_flight=tiles_in_flight,
        )
        identity = WorkerIdentity("test-1", "cpu", model.sha256)
        leases = Leases(services.claims, services.workers, identity=identity)
        meter = ThroughputMeter(100.0, stage_pools(loading=2, storing=2, network=1, committing=1))
        pipeline = Pipeline(services, items, models, leases, watchdog, meter, threads=8, worker="test-1", sleep=sleep)
        leases.start()
        watchdog.start()
        closing.extend((pipeline.close, models.close, leases.stop, watchdog.stop))
        return pipeline

    yield make
    for close in closing:
        close()


@pytest.fixture
def pipeline(make_pipeline: Callable[..., Pipeline]) -> Pipeline:
    return make_pipeline()


@dataclass
class SubmittedShard:
    """A job of one shard, submitted without the producer."""

    services: Services
    job_id: str
    id: str

    @property
    def items(self) -> dict[str, Item]:
        return {item.path: item for item in self.services.repository.items(self.job_id, limit=100)}


class Submit(Protocol):
    def __call__(
        self,
        sources: Mapping[str, bytes | dict[str, object] | None],
        priority: Priority = Priority.NORMAL,
        *,
        unfamiliar: Unfamiliar = Unfamiliar.FLAG,
        channel: str = "auto",
        pixel_size: PixelSize | None = None,
        postprocessing: str = "",
        threshold: float | None = None,
        described: dict[str, str] | None = None,
    ) -> SubmittedShard: ...


@pytest.fixture
def submit(services: Services) -> Submit:
    """Submit a shard: path → source bytes, or None for a source that is not there, or a synthesis."""

    def submit(
        sources: Mapping[str, bytes | dict[str, object] | None],
        priority: Priority = Priority.NORMAL,
        *,
        unfamiliar: Unfamiliar = Unfamiliar.FLAG,
        channel: str = "auto",
        pixel_size: PixelSize | None = None,
        postprocessing: str = "",
        threshold: float | None = None,
        described: dict[str, str] | None = None,
    ) -> SubmittedShard:
        job_id = services.repository.create_job(
            JobKind.IMAGES,
            name="test",
            submitted_by="test",
            priority=priority,
            unfamiliar=unfamiliar,
            channel=channel,
            pixel_size=pixel_size,
            postprocessing=postprocessing,
            threshold=threshold,
        )
        items = []
        for path, source in sources.items():
            item_id = new_id()
            if isinstance(source, dict):
                items.append(NewItem(id=item_id, path=path, synthesis=source))
                continue
            key = keys.source(job_id, item_id, Path(path).suffix)
            if source is not None:
                services.store.put(key, source)
            items.append(NewItem(id=item_id, path=path, source_key=key, described=described))
        shard_id = services.repository.add_shard(job_id, items)
        services.repository.seal(job_id)
        return SubmittedShard(services, job_id, shard_id)

    return submit


def png(height: int, width: int) -> bytes:
    """A dark image with bright dots of one pixel, a sixteenth of it, see `bright`."""
    return encode_grey(np.where(bright(height, width), np.uint8(200), np.uint8(20)))


def bright(height: int, width: int) -> NDArray[np.bool_]:
    """The bright pixels of `png`: too fine to be taken for uneven ground, and none at the border for a frame."""
    row, column = np.indices((height, width))
    return (row % 4 == 2) & (column % 4 == 2) & (row < height - 2) & (column < width - 2)
