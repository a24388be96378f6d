"""Load a checkpoint once; turn standardised tiles, or whole images, into probabilities."""

import os
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.images.preparation import prepare
from shared.images.resample import resample, scaled
from shared.net.backends.contract import Answer, Backend, DeviceMemory
from shared.net.backends.registry import DEFAULT_BACKEND, open_backend
from shared.net.checkpoint import LoadedModel, load_checkpoint
from shared.net.familiarity import FittedScores
from shared.net.intake import Intake
from shared.net.metadata import Metadata
from shared.net.tiling import TILE_SIZE, Stitcher

_IMAGE_BATCH = 8  # tiles at a time in `predict_image`


class Predictor:
    """A network on its device, ready to segment. Threads may call it at once."""

    def __init__(self, model: LoadedModel, backend: Backend) -> None:
        self._metadata = model.metadata
        self._sha256 = model.sha256
        self._threshold = model.threshold
        self._scores = model.scores
        self._backend = backend

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        device: str = "auto",
        precision: str = "auto",
        *,
        backend: str = DEFAULT_BACKEND,
    ) -> Self:
        """Load the checkpoint at `path` onto a device.

        Args:
            path: a checkpoint folder, or a .safetensors file that has its model.json beside it.
            device: "auto", "cpu", "cuda" or "cuda:N", or what else the backend knows.
            precision: "auto", "fp32", "bf16" or "fp16", likewise.
            backend: a name of `shared.net.backends.registry.BACKENDS`.

        Raises:
            CheckpointError: the weights are unusable.
            ConfigurationError: there is no such backend, GPU or precision.
            DeviceOutOfMemory: the model does not fit beside what the device holds.
        """
        model = load_checkpoint(path)
        return cls(model, open_backend(backend, model, device=device, precision=precision))

    @property
    def device_name(self) -> str:
        """The device in words: "cpu", or "cuda:0 (NVIDIA H100)"."""
        return self._backend.device_name

    @property
    def precision(self) -> str:
        """The convolutions' arithmetic: "float32", "bfloat16" or "float16"."""
        return self._backend.precision

    @property
    def sha256(self) -> str:
        """The SHA-256 (hex) of model.safetensors, which names the weights."""
        return self._sha256

    @property
    def threshold(self) -> float:
        """The probability from which on a pixel is foreground."""
        return self._threshold

    @property
    def scores(self) -> FittedScores | None:
        """What tells the quality and the familiarity of a result; None where nobody fitted them for these weights."""
        return self._scores

    @property
    def metadata(self) -> Metadata:
        """All of model.json: architecture, preprocessing version, training, metrics, versions."""
        return self._metadata

    @property
    def intake(self) -> Intake:
        """What images the network takes, and how they go through it."""
        return self._metadata.intake

    def device_memory(self) -> DeviceMemory | None:
        """Return how full the device's own memory is; None where it has none, as a CPU."""
        return self._backend.memory()

    def use_one_core_a_call(self) -> None:
        """Take no more than one core of a CPU for a call, in the whole process: its callers fill the others."""
        self._backend.use_one_core_a_call()

    def warm_up(self, batch_size: int) -> None:
        """Run one empty batch, so that the first real one does not pay for lazy initialisation."""
        self.predict_tiles(np.zeros((batch_size, TILE_SIZE, TILE_SIZE), dtype=np.float32))

    def predict_tiles(self, tiles: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return quantised foreground probabilities, uint8 (N, H, W): round(p · 255).

        The quantising happens on the device: a quarter of the bytes come back.

        Args:
            tiles: float32 (N, H, W), or (N, C, H, W) for a model of C channels, standardised with the statistics of the
                whole image that each was cut from.

        Raises:
            DeviceOutOfMemory: a smaller batch may fit.
        """
        return self._backend.levels(tiles)

    def answer_tiles(self, tiles: NDArray[np.float32]) -> list[Answer]:
        """Return the same for each tile, with the pooled features by which `scores` knows the familiar.

        Args:
            tiles: as those of `predict_tiles`.

        Raises:
            DeviceOutOfMemory: a smaller batch may fit.
        """
        return self._backend.answers(tiles)

    def predict_image(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the foreground probability of each pixel, float32 (H, W) in [0, 1]; of (C, H, W) too.

        The whole image is prepared and, where it is small, enlarged, as the worker does it; cut into tiles, and their
        probabilities are blended, unquantised. Of a constant image they are 0.

        Args:
            image: finite float32 (H, W), or (C, H, W) for a model of C channels, in any units.

        Raises:
            DeviceOutOfMemory: the device has too little memory for some tiles.
        """
        shape = image.shape[-2], image.shape[-1]
        prepared = prepare(resample(image, scaled(shape, self.intake.scale(shape, 1.0))))
        if prepared.constant:
            return np.zeros(shape, dtype=np.float32)
        plan = self.intake.plan(*prepared.image.shape[-2:])
        tiles = np.stack(list(self.intake.tiles(prepared.image, plan)))
        stitcher = Stitcher(plan)
        for first in range(0, len(tiles), _IMAGE_BATCH):
            batch = self._backend.probabilities(tiles[first : first + _IMAGE_BATCH])
            for offset, probability in enumerate(batch):
                stitcher.add(first + offset, probability)
        blended: NDArray[np.float32] = np.clip(resample(stitcher.result(), shape), 0.0, 1.0)
        return blended
