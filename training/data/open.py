"""The data of a training run: synthetic scenes, a folder of image/mask pairs, or reviewed results of jobs."""

import torch

from training.data.config import DataConfig
from training.data.folder import FolderData
from training.data.job import JobData
from training.data.pairs.survey import Survey
from training.data.source import Batch, DataSource, NoiseLevel, Process
from training.data.synthetic import SyntheticData

__all__ = ["Batch", "DataConfig", "DataSource", "NoiseLevel", "open_data"]


def open_data(
    config: DataConfig,
    *,
    seed: int,
    batch_size: int,
    device: torch.device,
    rank: int = 0,
    world_size: int = 1,
    surveyed: Survey | None = None,
    channels: int = 1,
    knows_padding: bool = False,
) -> DataSource:
    """Open the run's data.

    Args:
        config: what they are.
        seed: of the run.
        batch_size: the part of a step that one process computes at once.
        device: that the batches come on.
        rank: of this process.
        world_size: how many processes there are.
        surveyed: what was found in the folder, where somebody has looked; else it is looked at now.
        channels: of a folder's images that the network takes.
        knows_padding: whether it is told where they are padded, see `shared.net.network.Network`.

    Raises:
        UsageError: the folder cannot be used.
    """
    process = Process(seed, batch_size, device, rank, world_size)
    match config.kind:
        case "folder":
            return FolderData(config, process, surveyed, channels=channels, knows_padding=knows_padding)
        case "job":
            return JobData(config, process)
        case "synthetic":
            return SyntheticData(config, process)
