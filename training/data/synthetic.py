"""Training on scenes of a definition, made as they are needed on the training device. None is ever seen twice."""

import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from shared.net.intake import AS_SHIPPED
from shared.synth.field import FIELD_V1
from training.data.config import DataConfig
from training.data.seeds import MONITOR_SEEDS, training_seed
from training.data.source import Batch, NoiseLevel, Process
from training.data.synthesis import training_pairs, wide_tiles

SAMPLES_PER_EPOCH = 5000
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_NICENESS = 5  # the processes that synthesise yield to the one that trains
_VARIATION_STREAM, _MIXTURE_STREAM, _TILE_STREAM = 4, 8, 9  # of a sample's seed; its scene and noise use others
_PREFETCH = 4  # batches that each of them is ahead
_VALIDATED = NoiseLevel()  # the val set's: the definition's own mixtures, up to the strongest


@dataclass(frozen=True)
class BatchSpec:
    """What one batch is made of."""

    seeds: tuple[int, ...]
    noise: NoiseLevel
    clean_share: float = 0.0
    definition: str | None = None  # of all samples; None: drawn for each by the config's mixture
    is_varied: bool = False  # shown inverted, or tiles of one wide picture in place of scenes, by the config's shares


class SyntheticBatches(Dataset[Batch], Iterable[Batch]):
    """Batches made when they are asked for, as often as they are."""

    def __init__(self, specs: Sequence[BatchSpec], config: DataConfig, device: torch.device) -> None:
        self.specs = specs
        self.config = config
        self.device = device
        self._definitions = config.definitions()
        self._look_of_tiles = FIELD_V1.without(config.held_out) if config.tile_share else FIELD_V1

    def __len__(self) -> int:
        return len(self.specs)

    def __getitem__(self, index: int) -> Batch:
        spec = self.specs[index]
        size = self.config.size
        images, masks = (torch.empty(len(spec.seeds), 1, size, size, device=self.device) for _ in range(2))
        tiles = self._tiles(spec)
        for name, places in self._by_definition(spec, leaving_out=tiles).items():
            images[places], masks[places] = training_pairs(
                [spec.seeds[place] for place in places],
                self.device,
                self._definitions[name],
                size=size,
                severity=spec.noise.scale,
                mixed_prob=spec.noise.mixed_prob,
                clean_share=spec.clean_share,
            )
        if tiles:
            seed = spec.seeds[tiles[0]]
            cut = wide_tiles(seed, len(tiles), size, self._look_of_tiles, spec.noise.scale)
            images[tiles], masks[tiles] = (each.to(self.device) for each in cut)
        if spec.is_varied:
            for image, seed in zip(images, spec.seeds, strict=True):
                if np.random.default_rng((seed, _VARIATION_STREAM)).random() < self.config.inverted_share:
                    image.neg_()  # dark dots on light ground: what standardising the inverted image gives
        return Batch(images, masks)

    def _tiles(self, spec: BatchSpec) -> list[int]:
        """Return the places in the batch of samples that are tiles of one wide picture."""
        if not spec.is_varied:
            return []
        draws = (np.random.default_rng((seed, _TILE_STREAM)).random() for seed in spec.seeds)
        return [place for place, draw in enumerate(draws) if draw < self.config.tile_share]

    def _by_definition(self, spec: BatchSpec, *, leaving_out: Sequence[int]) -> dict[str, list[int]]:
        """Return the places in the batch of each definition's own samples."""
        places: dict[str, list[int]] = {}
        for place, seed in enumerate(spec.seeds):
            if place in leaving_out:
                continue
            name = spec.definition or self._drawn(np.random.default_rng((seed, _MIXTURE_STREAM)).random())
            places.setdefault(name, []).append(place)
        return places

    def _drawn(self, draw: float) -> str:
        for name, share in self.config.mixture.items():
            if draw < share:
                return name
            draw -= share
        return self.config.definition

    def __iter__(self) -> Iterator[Batch]:
        """Yield all in order; on a CPU made by processes of low priority, while the one that trains computes."""
        if self.device.type == "cpu" and self.config.workers and self.specs:
            workers = min(self.config.workers, len(self.specs))
            loader = DataLoader(
                self,
                batch_size=None,
                num_workers=workers,
                prefetch_factor=_PREFETCH,
                worker_init_fn=_yield_to_training,
            )
            with stop_signals_held():
                batches = iter(loader)
            yield from batches
        else:
            yield from (self[index] for index in range(len(self.specs)))


class SyntheticData:
    """A `DataSource` of synthetic scenes."""

    held_out_names = ()
    intake = AS_SHIPPED

    def __init__(self, config: DataConfig, process: Process) -> None:
        self.config = config
        self.process = process
        self.samples_per_epoch = config.samples or SAMPLES_PER_EPOCH

    @property
    def batches_per_epoch(self) -> int:
        """See `DataSource`."""
        return self.process.batches_of(self.samples_per_epoch)

    def batches(self, epoch: int, noise: NoiseLevel, start: int = 0) -> Iterator[Batch]:
        """See `DataSource`."""
        parts = [self._seeds(epoch, position) for position in range(start, self.batches_per_epoch)]
        return iter(
            self._batches([BatchSpec(seeds, noise, self.config.clean_share, is_varied=True) for seeds in parts])
        )

    def calibration(self) -> Iterator[Batch]:
        """See `DataSource`. The epochs that are trained count from 1, these are the seeds of epoch 0."""
        parts = [self._seeds(0, position) for position in range(self.batches_per_epoch)]
        return iter(self._batches([BatchSpec(seeds, _VALIDATED) for seeds in parts]))

    def fresh(self) -> Iterator[Batch]:
        """See `DataSource`; scenes are all new."""
        return self.calibration()

    def validation(self) -> Mapping[str, Iterable[Batch]]:
        """See `DataSource`: the val set's distribution, the same without noise, and each further definition's."""
        seeds = MONITOR_SEEDS[: self.config.validation_samples]
        size, stride = self.process.batch_size, self.process.batch_size * self.process.world_size
        parts = [tuple(seeds[i : i + size]) for i in range(self.process.first_of(0), len(seeds), stride)]

        def held_out(definition: str, clean_share: float = 0.0) -> SyntheticBatches:
            return self._batches([BatchSpec(part, _VALIDATED, clean_share, definition) for part in parts])

        own = self.config.definition
        return {"val": held_out(own), "clean": held_out(own, 1.0)} | {
            name: held_out(name) for name in self.config.mixture
        }

    def _batches(self, specs: Sequence[BatchSpec]) -> SyntheticBatches:
        return SyntheticBatches(specs, self.config, self.process.device)

    def _seeds(self, epoch: int, position: int) -> tuple[int, ...]:
        """Return the seeds of this process's batch at a position of an epoch."""
        first = self.process.first_of(position) + epoch * self.samples_per_epoch
        return tuple(training_seed(self.process.seed, first + i) for i in range(self.process.batch_size))


@contextmanager
def stop_signals_held() -> Iterator[None]:
    """Keep SIGTERM and SIGINT from the processes that are started meanwhile, for good, and from this one until after.

    A signal to the whole group (Ctrl-C, a supervisor) is for the process that trains: it ends them in order. That they
    ignore it is not enough, it may come before they have said so. And that this thread blocks it is not enough for this
    process: any other thread may get it, and the handler then runs in the main one, amid whatever that begins.
    """
    came: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.signal(number, lambda got, _frame: came.append(got)) for number in _STOP_SIGNALS}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for got in came:
            signal.raise_signal(got)


def _yield_to_training(_worker: int) -> None:
    os.nice(_NICENESS)
    torch.set_num_threads(1)
