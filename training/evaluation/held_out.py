"""Two models on the reviewed results that are held out of training: is the new one worse than the one in use?"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from shared.db.model_registry import ModelRegistry
from shared.errors import UsageError
from shared.images.codec import decode_mask
from shared.images.metrics import dice
from shared.net.checkpoint import FAMILIARITY_NAME, METADATA_NAME, WEIGHTS_NAME
from shared.net.predictor import Predictor
from shared.services import Services
from shared.store import keys
from training.data.config import DataConfig
from training.data.job import JobPair, fetch_job_pairs, find_job_pairs, split_job_pairs

_NO_WORSE = 1e-4  # of Dice: rounding of another machine is no difference


@dataclass(frozen=True)
class HeldOutScores:
    """Mean Dice of two models over the same held-out pairs."""

    pairs: int
    new: float
    active: float
    active_name: str

    @property
    def is_worse(self) -> bool:
        """Whether the new model would make results worse."""
        return self.new < self.active - _NO_WORSE

    def __str__(self) -> str:
        held_out = "held-out pair" if self.pairs == 1 else f"{self.pairs} held-out pairs"
        return f"Dice {self.new:.3f} on {held_out}, {self.active_name} has {self.active:.3f}"


def compare_on_held_out(services: Services, checkpoint: Path, data: DataConfig) -> HeldOutScores:
    """Score a checkpoint and the model that new jobs get now on the held-out pairs of reviewed results.

    Raises:
        UsageError: the pairs are gone.
        CheckpointError: one of the two cannot be loaded.
        Retryable: the database or the store does not answer.
    """
    with TemporaryDirectory(prefix="delineate-held-out-") as temporary:
        folder = Path(temporary)
        _, held_out = split_job_pairs(find_job_pairs(services, data), data.validation_share)
        pairs = fetch_job_pairs(services, held_out, folder / "val")
        if not pairs:
            raise UsageError("no held-out pair can be used: `admin audit` tells what the object store has lost")
        active_path, active_name = _active(services, folder)
        means = [_mean_dice(Predictor.load(path), pairs, folder / "val") for path in (checkpoint, active_path)]
    return HeldOutScores(len(pairs), means[0], means[1], active_name)


def _active(services: Services, folder: Path) -> tuple[Path, str]:
    """Return the checkpoint that new jobs get, and what to call it."""
    model = ModelRegistry(services.database, services.store).active()
    if model is None:
        return services.settings.model_path, "the workers' own model"
    checkpoint = folder / "active"
    checkpoint.mkdir()
    files = {
        WEIGHTS_NAME: keys.model_weights(model.sha256),
        METADATA_NAME: keys.model_metadata(model.sha256),
        FAMILIARITY_NAME: keys.model_familiarity(model.sha256),
    }
    for name, key in files.items():
        if services.store.exists(key):
            (checkpoint / name).write_bytes(services.store.get(key))
    return checkpoint, f"the active model {model.name}"


def _mean_dice(predictor: Predictor, pairs: list[JobPair], folder: Path) -> float:
    scores = [dice(predictor.predict_image(image) >= predictor.threshold, mask) for image, mask in _read(pairs, folder)]
    return float(np.mean(scores))


def _read(pairs: list[JobPair], folder: Path) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    for pair in pairs:
        mask = decode_mask((folder / "masks" / f"{pair.name}.png").read_bytes())
        yield np.load(folder / "images" / f"{pair.name}.npy").astype(np.float32), mask
