"""Two models on what is held out of the training of one: is it worse than the model whose place it takes?

Of reviewed results these are the pairs that are held out whoever trains, of a folder those that model.json names and
that the other model was not trained on either.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from shared.db.model_registry import Model
from shared.errors import UsageError
from shared.images.codec import decode_mask
from shared.images.decoded import Pixels
from shared.images.metrics import dice
from shared.net.checkpoint import FAMILIARITY_NAME, METADATA_NAME, WEIGHTS_NAME
from shared.net.metadata import Metadata
from shared.net.predictor import Predictor
from shared.services import Services
from shared.store import keys
from training.data.config import DataConfig
from training.data.job import JobPair, fetch_job_pairs, find_job_pairs, split_job_pairs
from training.data.pairs.reading import read_pair
from training.data.pairs.survey import survey
from training.evaluation.own_images import held_out_pairs, own_data, trained_data, trained_on
from training.evaluation.segmenting import segment

_NO_WORSE = 1e-4  # of Dice: rounding of another machine is no difference

_Pairs = Iterator[tuple[Pixels, NDArray[np.bool_]]]
_Read = Callable[[int], _Pairs]
"""Reads all pairs anew, for a model of so many channels."""


@dataclass(frozen=True)
class HeldOutScores:
    """Mean Dice of two models over the same held-out pairs; where there are no pairs for both, why."""

    other_name: str
    pairs: int = 0
    new: float = 0.0
    other: float = 0.0
    why_none: str = ""

    @property
    def is_worse(self) -> bool:
        """Whether the new model would make results worse."""
        return bool(self.pairs) and self.new < self.other - _NO_WORSE

    def __str__(self) -> str:
        if not self.pairs:
            return f"not compared with {self.other_name}: {self.why_none}"
        held_out = "held-out pair" if self.pairs == 1 else f"{self.pairs} held-out pairs"
        return f"Dice {self.new:.3f} on {held_out}, {self.other_name} has {self.other:.3f}"


def compare_on_held_out(
    services: Services, checkpoint: Path, other: Model | None, *, called: str, folder: Path | None = None
) -> HeldOutScores | None:
    """Score a checkpoint and a published model on what is held out.

    Args:
        services: that the other model, and reviewed results, are fetched from.
        checkpoint: of the new model.
        other: None for the workers' own.
        called: what the other model is to be called in front of its name.
        folder: where the pairs are that it was trained on; None: where they were then.

    Returns:
        None where it was not trained on pairs.

    Raises:
        UsageError: the pairs are gone, or cannot be used.
        CheckpointError: one of the two cannot be loaded.
        Retryable: the database or the store does not answer.
    """
    new = Predictor.load(checkpoint)
    data = trained_data(new.metadata)
    if data.get("kind") not in ("folder", "job"):
        return None
    with TemporaryDirectory(prefix="delineate-held-out-") as temporary:
        path = services.settings.model_path if other is None else _fetch(services, other, Path(temporary) / "other")
        rival, name = Predictor.load(path), called if other is None else f"{called} {other.name}"
        if data["kind"] == "job":
            count, read = _of_jobs(services, DataConfig.model_validate(data), Path(temporary) / "val")
        else:
            count, read = _of_folder(new.metadata, rival.metadata, folder)
        if not count:
            return HeldOutScores(name, why_none="no pair is known to be held out of both")
        mean = _mean_dice(new, read)
        try:
            return HeldOutScores(name, count, mean, _mean_dice(rival, read))
        except UsageError as error:  # of images that the new one takes
            return HeldOutScores(name, why_none=f"it takes other images ({error})")


def _fetch(services: Services, model: Model, checkpoint: Path) -> Path:
    """Write a published model's checkpoint into a folder that is made."""
    checkpoint.mkdir()
    files = {
        WEIGHTS_NAME: keys.model_weights(model.sha256),
        METADATA_NAME: keys.model_metadata(model.sha256),
        FAMILIARITY_NAME: keys.model_familiarity(model.sha256),
    }
    for name, key in files.items():
        if services.store.exists(key):
            (checkpoint / name).write_bytes(services.store.get(key))
    return checkpoint


def _of_jobs(services: Services, data: DataConfig, folder: Path) -> tuple[int, _Read]:
    _, held_out = split_job_pairs(find_job_pairs(services, data), data.validation_share)
    pairs = fetch_job_pairs(services, held_out, folder)
    if not pairs:
        raise UsageError("no held-out pair can be used: `admin audit` tells what the object store has lost")
    return len(pairs), lambda _: _read_fetched(pairs, folder)


def _of_folder(new: Metadata, other: Metadata, folder: Path | None) -> tuple[int, _Read]:
    place = folder or Path(str(trained_data(new)["folder"]))
    if not place.is_dir():
        raise UsageError(
            f"{place}, whose held-out pairs say whether it is worse, is not there: name it by --data FOLDER"
        )
    found = survey(own_data(place, new)).check()
    if not new.training.get("held_out"):  # trained by a version that did not say
        return 0, lambda _: iter(())
    seen = trained_on(found, other, Path(str(trained_data(new)["folder"])))
    pairs = [pair for pair in held_out_pairs(found, new) if pair.name not in seen]
    return len(pairs), lambda channels: (read_pair(pair, found.rules, channels) for pair in pairs)


def _mean_dice(predictor: Predictor, read: _Read) -> float:
    pairs = read(predictor.intake.channels)
    return float(np.mean([dice(segment(predictor, [image])[0].mask, mask) for image, mask in pairs]))


def _read_fetched(pairs: Sequence[JobPair], folder: Path) -> _Pairs:
    for pair in pairs:
        mask = decode_mask((folder / "masks" / f"{pair.name}.png").read_bytes())
        yield np.load(folder / "images" / f"{pair.name}.npy").astype(np.float32), mask
