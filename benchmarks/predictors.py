"""Networks that a benchmark puts in the place of the real one, and the worker that runs them.

    python -m benchmarks.predictors none       # a worker without arithmetic: what is left is the pipeline's own cost
    python -m benchmarks.predictors sleeps 10  # a worker on a device that takes 10 ms an image, and no CPU

Their answer is always the same probability map, that of the shipped network for a benchmark's image, so that encoding
and storing have the work that they have in earnest.
"""

import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.images import standardised
from shared.config import DEFAULT_MODEL, load_settings
from shared.net.architectures import build
from shared.net.backends.contract import Answer
from shared.net.checkpoint import save_checkpoint
from shared.net.metadata import Metadata
from shared.net.predictor import Predictor

_SEED = {"base": 64, "levels": 5, "stem": 1}


class Fixed(Predictor):
    """No arithmetic: one answer for all tiles, made when it is loaded."""

    milliseconds = 0.0  # an image
    _answer: NDArray[np.uint8] | None = None
    _busy = threading.Lock()

    def predict_tiles(self, tiles: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Answer like `Predictor.predict_tiles`; the real network answers the first call, whatever it asks."""
        with self._busy:  # a device does one thing at a time
            if self._answer is None:
                self._answer = super().predict_tiles(standardised(0)[None])[0]
            if self.milliseconds:
                time.sleep(len(tiles) * self.milliseconds / 1000)
            if self._answer.shape != tiles.shape[1:]:
                self._answer = np.resize(self._answer, tiles.shape[1:])
            return np.broadcast_to(self._answer, tiles.shape)

    def answer_tiles(self, tiles: NDArray[np.float32]) -> list[Answer]:
        """Answer like `Predictor.answer_tiles`, without features."""
        return [Answer(levels) for levels in self.predict_tiles(tiles)]

    @property
    def device_name(self) -> str:
        """No CPU, so that one thread serves it, as with a GPU."""
        return "simulated"


def shipped(model: Path = DEFAULT_MODEL) -> Predictor:
    """The network on the device of the settings; that of another folder in its place."""
    settings = load_settings()
    return Predictor.load(model, settings.worker_device)


def save_seed_network(folder: Path) -> Path:
    """The attention U-Net of 31.5 million parameters that the project began with, its weights random."""
    save_checkpoint(folder, build("attention_unet", _SEED), Metadata("attention_unet", _SEED))
    return folder


def load(milliseconds: float, _path: Path, _device: str) -> Predictor:
    """A `Fixed` on which an image takes so long."""
    predictor = Fixed.load(DEFAULT_MODEL, "cpu")
    predictor.milliseconds = milliseconds
    predictor.predict_tiles(np.zeros((1, 512, 512), np.float32))
    return predictor


def main() -> int:
    """Run a worker until SIGTERM."""
    from worker.__main__ import main as run_worker

    milliseconds = 0.0 if sys.argv[1] == "none" else float(sys.argv[2])
    return run_worker(partial(load, milliseconds))


if __name__ == "__main__":
    sys.exit(main())
