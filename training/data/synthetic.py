"""Training on scenes of a definition, made as they are needed on the training device. None is ever seen twice."""

import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from shared.synth import find_definition
from training.data.config import DataConfig
from training.data.seeds import MONITOR_SEEDS, training_seed
from training.data.source import Batch, NoiseLevel
from training.data.synthesis import training_pairs

SAMPLES_PER_EPOCH = 5000
_NICENESS = 5  # the processes that synthesise yield to the one that trains
_INVERSION_STREAM = 4  # of a sample's seed; its scene and noise use others
_PREFETCH = 4  # batches that each of them is ahead
_VALIDATED = NoiseLevel()  # the val set's: the definition's own mixtures, up to the strongest


@dataclass(frozen=True)
class BatchSpec:
    """What one batch is made of."""

    seeds: tuple[int, ...]
    noise: NoiseLevel
    clean_share: float
    inverted_share: float = 0.0


class SyntheticBatches(Dataset[Batch], Iterable[Batch]):
    """Batches made when they are asked for, as often as they are."""

    def __init__(self, specs: Sequence[BatchSpec], config: DataConfig, device: torch.device) -> None:
        self.specs = specs
        self.config = config
        self.device = device
        self._definition = find_definition(config.definition)

    def __len__(self) -> int:
        return len(self.specs)

    def __getitem__(self, index: int) -> Batch:
        spec = self.specs[index]
        images, masks = training_pairs(
            spec.seeds,
            self.device,
            self._definition,
            size=self.config.size,
            severity=spec.noise.scale,
            mixed_prob=spec.noise.mixed_prob,
            clean_share=spec.clean_share,
        )
        for image, seed in zip(images, spec.seeds, strict=True):
            if spec.inverted_share and np.random.default_rng((seed, _INVERSION_STREAM)).random() < spec.inverted_share:
                image.neg_()  # what standardising the inverted image gives
        return Batch(images, masks)

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
            with _stop_signals_blocked():
                batches = iter(loader)
            yield from batches
        else:
            yield from (self[index] for index in range(len(self.specs)))


class SyntheticData:
    """A `DataSource` of synthetic scenes. `batch_size` is that of one process."""

    def __init__(
        self,
        config: DataConfig,
        *,
        seed: int,
        batch_size: int,
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.config = config
        self.seed = seed
        self.batch_size = batch_size
        self.device = device
        self.rank = rank
        self.world_size = world_size
        self.samples_per_epoch = config.samples or SAMPLES_PER_EPOCH

    @property
    def batches_per_epoch(self) -> int:
        """See `DataSource`."""
        return self.samples_per_epoch // (self.batch_size * self.world_size)

    def batches(self, epoch: int, noise: NoiseLevel, start: int = 0) -> Iterator[Batch]:
        """See `DataSource`."""
        parts = [self._seeds(epoch, position) for position in range(start, self.batches_per_epoch)]
        return iter(self._batches(parts, noise, self.config.clean_share, self.config.inverted_share))

    def calibration(self) -> Iterator[Batch]:
        """See `DataSource`. The epochs that are trained count from 1, these are the seeds of epoch 0."""
        return iter(self._batches([self._seeds(0, position) for position in range(self.batches_per_epoch)]))

    def validation(self) -> Mapping[str, Iterable[Batch]]:
        """See `DataSource`: the val set's distribution, and the same scenes without noise."""
        seeds = MONITOR_SEEDS[: self.config.validation_samples]
        stride = self.world_size * self.batch_size
        parts = [tuple(seeds[i : i + self.batch_size]) for i in range(self.rank * self.batch_size, len(seeds), stride)]
        return {"val": self._batches(parts), "clean": self._batches(parts, clean_share=1.0)}

    def _batches(
        self,
        parts: Iterable[tuple[int, ...]],
        noise: NoiseLevel = _VALIDATED,
        clean_share: float = 0.0,
        inverted_share: float = 0.0,
    ) -> SyntheticBatches:
        specs = [BatchSpec(seeds, noise, clean_share, inverted_share) for seeds in parts]
        return SyntheticBatches(specs, self.config, self.device)

    def _seeds(self, epoch: int, position: int) -> tuple[int, ...]:
        """Return the seeds of this process's batch at a position of an epoch."""
        first = (position * self.world_size + self.rank) * self.batch_size + epoch * self.samples_per_epoch
        return tuple(training_seed(self.seed, first + i) for i in range(self.batch_size))


@contextmanager
def _stop_signals_blocked() -> Iterator[None]:
    """Keep SIGTERM and SIGINT from the processes that are started meanwhile, for good.

    A signal to the whole group (Ctrl-C, a supervisor) is for the process that trains: it ends them in order. That they
    ignore it is not enough, it may come before they have said so.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _yield_to_training(_worker: int) -> None:
    os.nice(_NICENESS)
    torch.set_num_threads(1)
