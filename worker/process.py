"""The worker process: what it is made of, and how that starts and stops."""

import logging
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry

from shared.config import Settings
from shared.confinement import hide_from_neighbours, missing
from shared.db.database import Database
from shared.db.model_registry import ModelRegistry
from shared.errors import DeviceOutOfMemory
from shared.health import Readiness
from shared.images.decoded import DecodeLimits
from shared.images.isolated import Decoders
from shared.jobs.claims import Claims
from shared.jobs.workers import Workers
from shared.logs import log_process_ids
from shared.monitoring import MonitoringServer
from shared.net.device import usable_cores
from shared.net.predictor import Predictor
from shared.services import connect
from shared.temporary import check_temporary_folder
from shared.version import code_version
from worker import metrics
from worker.batcher import Batcher
from worker.gate import Gate
from worker.hint_watch import HintWatch
from worker.items import ItemProcessor
from worker.leases import Leases, WorkerIdentity
from worker.memory import PixelBudget, use_one_heap
from worker.memory_report import MemoryReport
from worker.model_cache import ModelCache, RegistryCheckpoints, ServedModel, answers_or_errors, device_of
from worker.pipeline import Pipeline
from worker.startup import wait_for
from worker.throughput import ThroughputMeter, baseline_throughput, batch_size_for, stage_pools
from worker.watchdog import Watchdog
from worker.windows import WHOLE_PIXELS, Windows

log = logging.getLogger(__name__)

# Eight of the largest images that are held as a whole, at up to 30 bytes a pixel.
PIXELS_IN_FLIGHT = 8 * WHOLE_PIXELS
# In the time after which a hint without effect is sent again.
_HINT_PATIENCE = 3

# While one batch is in work, the other is copied to the GPU or back.
_BATCHES_ON_GPU = 2

Load = Callable[[Path, str], Predictor]
"""Checkpoint and name of a device → the network on it."""


@dataclass(frozen=True)
class Network:
    """The worker's own network, warm, and how it is best run on its device."""

    predictor: Predictor
    threads: int  # batches at a time
    batch_size: int  # tiles of 512×512
    baseline: float  # images of 512×512 a second, without the work around it

    @classmethod
    def measure(cls, predictor: Predictor, batch_size: int | None) -> "Network":
        """Warm a network up and measure it; without a batch size, find the best one."""
        predictor.use_one_core_a_call()  # on a CPU the batcher has a thread for each core, see there
        on_cpu = predictor.device_name == "cpu"
        threads = usable_cores() if on_cpu else _BATCHES_ON_GPU
        batch_size = batch_size or batch_size_for(predictor.predict_tiles, on_cpu=on_cpu, threads=threads)
        predictor.warm_up(batch_size)
        baseline = baseline_throughput(predictor.predict_tiles, batch_size=batch_size, threads=threads)
        return cls(predictor, threads, batch_size, baseline)


class WorkerProcess:
    """One process with its models, a batcher for each, and the threads around them."""

    def __init__(self, settings: Settings, load: Load | None = None) -> None:
        """Connect to nothing yet.

        Args:
            settings: of this process.
            load: makes a checkpoint ready on the device that is named; benchmarks put other networks in.

        Raises:
            ConfigurationError: a setting that cannot be one.
        """
        self.settings = settings
        self._load: Load = load or partial(Predictor.load, precision=settings.worker_precision)
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        # A connection for each thread that takes shards, and for the priority lane.
        self.services = connect(settings, connections=settings.worker_concurrency + 1)
        self._pipeline: Pipeline | None = None
        self._watchdog: Watchdog | None = None
        self._readiness = Readiness(self.services)
        self._hints = HintWatch(_HINT_PATIENCE * settings.resend_after, self._work_waits)
        self._stopping = False
        self._closing = ExitStack()

    def start(self) -> None:
        """Wait for the services, load the model, and be ready for shards.

        Raises:
            ConfigurationError: a setting is wrong, or a service stayed unavailable.
            CheckpointError: the model cannot be loaded.
        """
        settings = self.settings
        check_temporary_folder()
        use_one_heap()
        hide_from_neighbours()
        log_process_ids(worker=self.name)
        self._closing.callback(self.services.close)
        registry = self._start_monitoring()
        wait_for(self.services, settings.startup_seconds)
        network = Network.measure(self._load(settings.model_path, settings.worker_device), settings.batch_size)
        self._publish(network, registry)
        self._pipeline = self._build_pipeline(network)
        self._hints.start()
        self._closing.callback(self._hints.stop)

    def process_shard(self, shard_id: str) -> None:
        """Work on a shard until it has nothing more to claim.

        Raises:
            RuntimeError: the worker was not started.
        """
        if self._pipeline is None:
            raise RuntimeError("the worker was not started")
        with self._hints.working():
            self._pipeline.process_shard(shard_id)

    def stop_claiming(self) -> None:
        """Begin to stop: shards in work end after their present claim."""
        self._stopping = True
        if self._pipeline is not None:
            self._pipeline.stop_claiming()

    def stop(self) -> None:
        """End the threads and take the worker out of the table; no shard may be in work any more."""
        self._closing.close()
        log.info("worker %s stopped", self.name, extra={"action": "worker_stops"})

    def _start_monitoring(self) -> CollectorRegistry:
        """Answer monitors on METRICS_PORT, if it is set; return what the metrics of this worker are added to."""
        registry = CollectorRegistry()
        registry.register(REGISTRY)
        if self.settings.metrics_port:
            monitoring = MonitoringServer(self.settings, live=self._is_live, ready=self._parts, registry=registry)
            self._closing.callback(monitoring.close)
        return registry

    def _publish(self, network: Network, registry: CollectorRegistry) -> None:
        """Tell the log and the metrics what this worker is."""
        own = network.predictor
        log.info(
            "worker %s: model %s on %s in %s, batches of %d, %.1f images/s by itself", self.name, own.sha256[:12],
            own.device_name, own.precision, network.batch_size, network.baseline, extra={"action": "worker_starts"},
        )  # fmt: skip
        unconfined_by = missing()
        if unconfined_by:
            log.warning(
                "decoders run without %s, which this kernel or container does not offer: a hole in an image library "
                "reaches further (docs/operations.md)", " and ".join(unconfined_by),
                extra={"action": "decoders_less_confined"},
            )  # fmt: skip
        registry.register(metrics.DeviceMemoryCollector(own.device_memory))
        metrics.WORKER.info(
            {
                "worker": self.name,
                "device": own.device_name,
                "precision": own.precision,
                "model": own.sha256,
                "code_version": code_version(),
                "decoders_lack": ", ".join(unconfined_by),
            }
        )
        metrics.BASELINE_IMAGES_PER_SECOND.set(network.baseline)

    def _build_pipeline(self, network: Network) -> Pipeline:
        """Start what works on shards. What is made later is closed earlier."""
        settings, io_threads = self.settings, self.settings.io_threads
        meter = ThroughputMeter(
            network.baseline,
            stage_pools(
                loading=io_threads,
                storing=io_threads,
                network=network.threads,
                committing=settings.worker_concurrency,
            ),
        )
        leases = self._start_leases(network, meter)
        watchdog = self._watchdog = Watchdog(settings.watchdog_seconds)
        watchdog.start()
        self._closing.callback(watchdog.stop)
        models = self._build_models(network, watchdog)
        items = self._build_items(network)
        pipeline = Pipeline(
            self.services,
            items,
            models,
            leases,
            watchdog,
            meter,
            # Those that load, those that store, the batches in the network, and one that waits for it.
            threads=2 * io_threads + (network.threads + 1) * network.batch_size,
            worker=self.name,
        )
        self._closing.callback(pipeline.close)
        return pipeline

    def _start_leases(self, network: Network, meter: ThroughputMeter) -> Leases:
        settings, own = self.settings, network.predictor
        database = Database(settings.database, pool_size=1)
        self._closing.callback(database.close)
        leases = Leases(
            Claims(database, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts),
            Workers(database),
            identity=WorkerIdentity(self.name, f"{own.device_name}, {own.precision}", own.sha256),
            performance=meter.performance,
            memory=MemoryReport(own.device_memory),
        )
        leases.start()
        self._closing.callback(leases.stop)
        return leases

    def _build_models(self, network: Network, watchdog: Watchdog) -> ModelCache:
        """The worker's own model, and those of the registry; all run as the own one is best run."""
        gate = Gate()

        def served(predictor: Predictor) -> ServedModel:
            batcher = Batcher(
                answers_or_errors(predictor.sha256, predictor.answer_tiles),
                batch_size=network.batch_size,
                threads=network.threads,
                on_batch=watchdog.progress,
                is_lost=partial(is_lost, network.predictor),
                powers_of_two=network.predictor.device_name != "cpu",
                gate=gate,
            )
            return ServedModel(
                predictor.sha256, predictor.threshold, batcher, predictor.scores, device_of(predictor), predictor.intake
            )

        def load(path: Path) -> Predictor:
            return self._load(path, self.settings.worker_device)

        registry = ModelRegistry(self.services.database, self.services.store)
        checkpoints = RegistryCheckpoints(self.services.store, self.settings.delineate_home / "models", registry.find)
        models = ModelCache(served(network.predictor), lambda sha256: served(checkpoints.load(sha256, load)))
        self._closing.callback(models.close)
        return models

    def _build_items(self, network: Network) -> ItemProcessor:
        settings = self.settings
        limits = DecodeLimits(
            settings.min_image_side, settings.max_image_side, settings.max_image_pixels, settings.max_source_bytes
        )
        decoders = Decoders(
            replace(limits, max_pixels=min(limits.max_pixels, WHOLE_PIXELS)),
            seconds=settings.decode_seconds,
            processes=min(settings.io_threads, usable_cores()),
        )
        self._closing.callback(decoders.close)
        budget, tiles_in_flight = PixelBudget(PIXELS_IN_FLIGHT), 2 * network.batch_size
        return ItemProcessor(
            self.services.store,
            decode=decoders.decode,
            budget=budget,
            windows=Windows(
                budget, limits=limits, decode_seconds=settings.decode_seconds, tiles_in_flight=tiles_in_flight
            ),
            io_threads=settings.io_threads,
            tiles_in_flight=tiles_in_flight,
        )

    def _is_live(self) -> bool:
        """Whether the watchdog is content; while the process starts it is."""
        return self._watchdog is None or self._watchdog.is_live

    def _parts(self) -> dict[str, bool]:
        """What it needs in order to work on shards."""
        return {
            "model": self._pipeline is not None,
            "takes_work": not self._stopping,
            "hints": self._hints.gets_hints,
            **self._readiness.answers(),
        }

    def _work_waits(self) -> bool:
        """Whether there are hints in Redis, or shards without any in SQL."""
        return self.services.queue.length() > 0 or bool(self.services.dispatcher.next_shards(1))


def is_lost(own: Predictor) -> bool:
    """Whether not even the worker's own network, which answered at the start, answers a picture of nothing.

    A model of the registry, or a picture, may be to blame for an error; then this process can go on.
    """
    try:
        own.warm_up(1)
    except (DeviceOutOfMemory, MemoryError):
        return False
    except Exception:
        log.exception("the device answers no more", extra={"action": "device_probed"})
        return True
    return False
