"""Training samples, synthesised while training by processes of low priority. No sample is ever seen twice.

SEAM (agreed with training/loop.py; replace this paragraph by documentation when it is built). The loop calls

    training_batches(config: DataConfig, span: Span, device: torch.device) -> Iterator[Batch]     # every epoch
    validation_pairs(config: DataConfig, seed: int) -> Iterator[tuple[uint8 image, bool mask]]    # folder data only

with `Span` and `Batch` of training/stream.py, `DataConfig` of training/config.py (its `synthesis` and the folder's
fields are yours to change or extend), and the noise of a sample from `training.curriculum.difficulty_at(config,
span.epoch, span.index(position))`. Synthetic sample number i of a run has the seed training_seed(span.seed,
span.index(i)); the folder's order is a permutation that (seed, epoch) alone decide.
"""

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from shared.images.normalise import standardise
from shared.synth import synthesise
from training.config import DataConfig
from training.data_config import DataConfig as SourceConfig
from training.data_source import Batch, DataSource, NoiseLevel
from training.data_synthetic import SyntheticData
from training.sets import training_seed

__all__ = ["Batch", "DataSource", "NoiseLevel", "open_data"]

_CLEAN_STREAM = 99  # of a sample's seed; its scene, noise and pixels use streams of their own
_NICENESS = 5  # the processes that synthesise yield to the one that trains


class SyntheticSamples(Dataset[tuple[Tensor, Tensor]]):
    """The run's samples by index: a standardised image and its truth, both float32 (1, size, size)."""

    def __init__(self, config: DataConfig, run_seed: int, count: int) -> None:
        self.config = config
        self.run_seed = run_seed
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not 0 <= index < self.count:  # which ends a plain loop over the samples
            raise IndexError(index)
        seed = training_seed(self.run_seed, index)
        is_clean = np.random.default_rng((seed, _CLEAN_STREAM)).random() < self.config.clean_share
        sample = synthesise(
            seed,
            size=self.config.size,
            severity=severity_at(index, self.config),
            noise="none" if is_clean else None,
            mixed_prob=self.config.mixed_prob,
        )
        image = standardise(sample.image.astype(np.float32))
        return torch.from_numpy(image)[None], torch.from_numpy(sample.mask.astype(np.float32))[None]


def severity_at(index: int, config: DataConfig) -> float:
    """The noise's severity for the index-th sample: a straight ramp, then the config's value."""
    if index >= config.ramp_images:
        return config.severity
    return config.severity * (config.ramp_start + (1 - config.ramp_start) * index / config.ramp_images)


def training_loader(config: DataConfig, run_seed: int, count: int, batch_size: int) -> DataLoader[Any]:
    """Batches in the order of the samples' indices; the same with any number of workers."""
    return DataLoader(
        SyntheticSamples(config, run_seed, count),
        batch_size=batch_size,
        num_workers=config.workers,
        worker_init_fn=_yield_to_training,
        prefetch_factor=4 if config.workers else None,
        persistent_workers=False,
        drop_last=True,
    )


def _yield_to_training(_worker: int) -> None:
    os.nice(_NICENESS)
    torch.set_num_threads(1)


def open_data(
    config: SourceConfig, *, seed: int, batch_size: int, device: torch.device, rank: int = 0, world_size: int = 1
) -> DataSource:
    """The run's data. `batch_size` is that of one process. Raises `UsageError` for a folder that cannot be used."""
    return SyntheticData(config, seed=seed, batch_size=batch_size, device=device, rank=rank, world_size=world_size)
