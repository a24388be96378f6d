"""Training on scenes of dotblob-v1 that are made as they are needed. No sample is ever seen twice."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from shared.images.normalise import standardise
from shared.synth import Sample, synthesise
from training.data_config import DataConfig
from training.data_source import Batch, NoiseLevel
from training.sets import MONITOR_SEEDS, training_seed

SAMPLES_PER_EPOCH = 5000
_CLEAN_STREAM = 99  # of a sample's seed; its scene, noise and pixels use streams of their own


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
        for position in range(start, self.batches_per_epoch):
            first = (position * self.world_size + self.rank) * self.batch_size
            indices = (epoch * self.samples_per_epoch + first + i for i in range(self.batch_size))
            yield self._batch([self._sample(training_seed(self.seed, index), noise) for index in indices])

    def validation(self) -> Mapping[str, Iterable[Batch]]:
        """See `DataSource`."""
        seeds = MONITOR_SEEDS[: self.config.validation_samples]
        size = self.config.size
        return {
            "val": _Repeatable(lambda: self._held_out(seeds, lambda s: synthesise(s, size=size, severity=1.0))),
            "clean": _Repeatable(lambda: self._held_out(seeds, lambda s: synthesise(s, size=size, noise="none"))),
        }

    def _held_out(self, seeds: Sequence[int], make: Callable[[int], Sample]) -> Iterator[Batch]:
        for first in range(self.rank * self.batch_size, len(seeds), self.world_size * self.batch_size):
            yield self._batch([make(seed) for seed in seeds[first : first + self.batch_size]])

    def _sample(self, seed: int, noise: NoiseLevel) -> Sample:
        is_clean = np.random.default_rng((seed, _CLEAN_STREAM)).random() < self.config.clean_share
        kind = "none" if is_clean else None
        return synthesise(seed, size=self.config.size, severity=noise.scale, noise=kind, mixed_prob=noise.mixed_prob)

    def _batch(self, samples: Sequence[Sample]) -> Batch:
        images = np.stack([standardise(sample.image.astype(np.float32)) for sample in samples])
        masks = np.stack([sample.mask.astype(np.float32) for sample in samples])
        return Batch(
            torch.from_numpy(images)[:, None].to(self.device), torch.from_numpy(masks)[:, None].to(self.device)
        )


@dataclass(frozen=True)
class _Repeatable(Iterable[Batch]):
    start: Callable[[], Iterator[Batch]]

    def __iter__(self) -> Iterator[Batch]:
        return self.start()
