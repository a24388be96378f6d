from pathlib import Path

import pytest
import torch

from shared.net.architectures import build
from shared.net.checkpoint import Metadata, save_checkpoint

TINY = {"base": 4, "levels": 3, "stem": 4, "dropout": 0.0}


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Networks this small lose more to waiting for a second thread than they gain, on a busy machine above all."""
    torch.set_num_threads(1)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """The folder of a tiny, untrained network's checkpoint."""
    torch.manual_seed(0)
    folder = tmp_path / "checkpoint"
    save_checkpoint(folder, build("attention_unet", TINY), Metadata("attention_unet", dict(TINY)))
    return folder
