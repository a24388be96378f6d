"""The data of a training run: synthetic scenes, or a folder of image/mask pairs."""

import torch

from training.data.config import DataConfig
from training.data.folder import FolderData
from training.data.source import Batch, DataSource, NoiseLevel
from training.data.synthetic import SyntheticData

__all__ = ["Batch", "DataConfig", "DataSource", "NoiseLevel", "open_data"]


def open_data(
    config: DataConfig, *, seed: int, batch_size: int, device: torch.device, rank: int = 0, world_size: int = 1
) -> DataSource:
    """Open the run's data. `batch_size` is the part of a step that one process computes at once.

    Raises:
        UsageError: the folder cannot be used.
    """
    kind = FolderData if config.kind == "folder" else SyntheticData
    return kind(config, seed=seed, batch_size=batch_size, device=device, rank=rank, world_size=world_size)
