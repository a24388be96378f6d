"""The worker process: what it is made of, and how Celery starts and stops it.

python -m worker
celery -A worker.app worker --without-gossip --without-mingle    # the same, with Celery's own options
"""

import logging
import os
import socket
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import celery.apps.worker
import torch
from celery import Celery, signals
from celery.platforms import SecurityWarning
from prometheus_client import REGISTRY, CollectorRegistry

from shared.config import Settings, load_settings
from shared.db.database import Database
from shared.errors import CheckpointError, ConfigurationError, Retryable
from shared.health import Readiness
from shared.images.decoded import DecodeLimits
from shared.images.isolated import Decoders
from shared.jobs.claims import Claims
from shared.jobs.workers import Workers
from shared.logs import json_line, log_process_ids, log_uncaught, setup_logging
from shared.monitoring import MonitoringServer
from shared.net.device import usable_cores
from shared.net.predictor import Predictor
from shared.services import Services, connect
from shared.version import code_version
from worker import metrics
from worker.batcher import Batcher
from worker.items import ItemProcessor
from worker.leases import Leases, WorkerIdentity
from worker.memory import PixelBudget, use_one_heap
from worker.models import Models, ReadyModel, RegistryCheckpoints
from worker.pipeline import Pipeline
from worker.speed import Speed, bare_rate, batch_size_for, stages_in
from worker.tasks import register_tasks
from worker.watchdog import Watchdog
from worker.windows import WHOLE_PIXELS, Windows

log = logging.getLogger(__name__)

EXIT_UNUSABLE = 2  # a setting or the checkpoint cannot work: starting again changes nothing

# Eight of the largest images that are held as a whole, at up to 30 bytes a pixel.
PIXELS_IN_FLIGHT = 8 * WHOLE_PIXELS
_PAUSE_SECONDS = 1.0

# While one batch is in work, the other is copied to the GPU or back.
_BATCHES_ON_GPU = 2

Load = Callable[[Path, str], Predictor]
"""Checkpoint and name of a device → the network on it."""


class WorkerProcess:
    """One process with its models, a batcher for each, and the threads around them."""

    def __init__(self, settings: Settings, load: Load | None = None) -> None:
        """Connect to nothing yet; ConfigurationError for a setting that cannot be one.

        `load` makes a checkpoint ready on the device that is named: benchmarks put other networks in.
        """
        self.settings = settings
        self._load: Load = load or Predictor.load
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self.services = connect(settings)
        self._pipeline: Pipeline | None = None
        self._watchdog: Watchdog | None = None
        self._readiness = Readiness(self.services)
        self._stopping = False
        self._closing = ExitStack()

    def start(self) -> None:
        """Wait for the services, load the model, and be ready for shards.

        Raises:
            ConfigurationError: a setting is wrong, or a service stayed away.
            CheckpointError: the model cannot be loaded.
        """
        settings = self.settings
        use_one_heap()
        log_process_ids(worker=self.name)
        self._closing.callback(self.services.close)
        registry = CollectorRegistry()
        registry.register(REGISTRY)
        if settings.metrics_port:
            monitoring = MonitoringServer(settings, live=self._is_live, ready=self._parts, registry=registry)
            self._closing.callback(monitoring.close)
        wait_for(self.services, settings.startup_seconds)
        own = self._load(settings.model_path, settings.worker_device)
        torch.set_num_threads(1)  # on a CPU the batcher has a thread for each core, see there
        on_cpu = own.device_name == "cpu"
        threads = usable_cores() if on_cpu else _BATCHES_ON_GPU
        batch_size = settings.batch_size or batch_size_for(own.predict_tiles, on_cpu=on_cpu, threads=threads)
        own.warm_up(batch_size)
        bare = bare_rate(own.predict_tiles, batch_size=batch_size, threads=threads)
        log.info(
            "worker %s: model %s on %s, batches of %d, %.1f images/s by itself", self.name, own.sha256[:12],
            own.device_name, batch_size, bare, extra={"action": "worker_starts"},
        )  # fmt: skip
        registry.register(metrics.DeviceMemory(own.device_name))
        metrics.WORKER.info(
            {"worker": self.name, "device": own.device_name, "model": own.sha256, "code_version": code_version()}
        )
        metrics.BARE_IMAGES_PER_SECOND.set(bare)

        watchdog = Watchdog(settings.watchdog_seconds)

        def ready(predictor: Predictor) -> ReadyModel:
            batcher = Batcher(
                predictor.predict_tiles,
                batch_size=batch_size,
                threads=threads,
                on_batch=watchdog.progress,
            )
            return ReadyModel(predictor.sha256, predictor.threshold, batcher)

        def load(path: Path) -> Predictor:
            return self._load(path, settings.worker_device)

        checkpoints = RegistryCheckpoints(self.services.store, settings.delineate_home / "models")
        models = Models(ready(own), lambda sha256: ready(checkpoints.load(sha256, load)))
        limits = DecodeLimits(settings.min_image_side, settings.max_image_side, settings.max_image_pixels)
        decoders = Decoders(
            replace(limits, max_pixels=min(limits.max_pixels, WHOLE_PIXELS)),
            seconds=settings.decode_seconds,
            processes=min(settings.io_threads, usable_cores()),
        )
        budget = PixelBudget(PIXELS_IN_FLIGHT)
        items = ItemProcessor(
            self.services.store,
            decode=decoders.decode,
            budget=budget,
            windows=Windows(
                budget, limits=limits, decode_seconds=settings.decode_seconds, tiles_in_flight=2 * batch_size
            ),
            io_threads=settings.io_threads,
            tiles_in_flight=2 * batch_size,
        )
        speed = Speed(
            bare,
            stages_in(
                loading=settings.io_threads,
                storing=settings.io_threads,
                network=threads,
                committing=settings.worker_concurrency,
            ),
        )
        own_database = Database(settings.database, pool_size=1)
        leases = Leases(
            Claims(own_database, lease_seconds=settings.lease_seconds, max_attempts=settings.max_attempts),
            Workers(own_database),
            identity=WorkerIdentity(self.name, own.device_name, own.sha256),
            images_finished=lambda: pipeline.images_finished,
            performance=speed.performance,
        )
        pipeline = Pipeline(
            self.services,
            items,
            models,
            leases,
            watchdog,
            speed,
            # Those that load, those that store, the batches in the network, and one that waits for it.
            threads=2 * settings.io_threads + (threads + 1) * batch_size,
            worker=self.name,
        )
        leases.start()
        watchdog.start()
        self._pipeline, self._watchdog = pipeline, watchdog
        for close in (own_database.close, leases.stop, watchdog.stop, models.close, decoders.close, pipeline.close):
            self._closing.callback(close)

    def process_shard(self, shard_id: str) -> None:
        """Work on a shard until it has nothing more to claim."""
        if self._pipeline is None:
            raise RuntimeError("the worker was not started")
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

    def _is_live(self) -> bool:
        """Whether the watchdog is content; while the process starts it is."""
        return self._watchdog is None or self._watchdog.is_live

    def _parts(self) -> dict[str, bool]:
        """What it needs in order to work on shards."""
        return {"model": self._pipeline is not None, "takes_work": not self._stopping, **self._readiness.answers()}


def wait_for(services: Services, patience: float) -> None:
    """Wait up to `patience` seconds for services that do not answer yet, as when a whole stack comes up.

    Raises:
        ConfigurationError: a setting is wrong, or a service stayed away.
    """
    give_up = time.monotonic() + patience
    while True:
        try:
            services.check()
            return
        except ConfigurationError as error:
            if not isinstance(error.__cause__, Retryable) or time.monotonic() + _PAUSE_SECONDS > give_up:
                raise
            log.warning("waiting: %s", error, extra={"action": "worker_waits"})
        time.sleep(_PAUSE_SECONDS)


def create_app(settings: Settings, load: Load | None = None) -> Celery:
    """Return the Celery application of a worker; its model is loaded, by `load`, when Celery's worker starts.

    Raises:
        ConfigurationError: a setting that cannot be one.
    """
    process = WorkerProcess(settings, load)
    app = process.services.queue.celery
    app.conf.update(worker_concurrency=settings.worker_concurrency, worker_redirect_stdouts=False)
    register_tasks(app, process.process_shard)

    def start(**_: object) -> None:
        try:
            process.start()
        except (ConfigurationError, CheckpointError) as error:
            print(f"worker: {error}", file=sys.stderr)
            # Celery logs what a signal's receiver raises and goes on; this alone it lets through.
            raise SystemExit(EXIT_UNUSABLE) from error

    # Celery warns of running as root, since pickled messages could then do anything. Here they are JSON of ids.
    warnings.simplefilter("ignore", SecurityWarning)
    # weak=False: nobody else keeps these functions.
    signals.setup_logging.connect(lambda **_: _start_logging(settings.log_level), weak=False)
    signals.celeryd_init.connect(start, weak=False)
    signals.worker_shutting_down.connect(lambda **_: process.stop_claiming(), weak=False)
    signals.worker_shutdown.connect(lambda **_: process.stop(), weak=False)
    return app


def _start_logging(level: str) -> None:
    setup_logging(level)
    log_uncaught()
    if not sys.stderr.isatty():
        # What Celery says in its signal handlers goes past the log.
        celery.apps.worker.safe_say = _say


def _say(message: str, _stream: object = None) -> None:
    with suppress(OSError):
        # One call of the system's, as a signal handler may come in the middle of another line.
        os.write(2, f"{json_line('INFO', 'celery.apps.worker', message)}\n".encode())


def __getattr__(name: str) -> Celery:
    """`app`, for Celery's command line; made when asked for, so that importing this module reads no settings."""
    if name == "app":
        return create_app(load_settings())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
