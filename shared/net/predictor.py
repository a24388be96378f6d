"""Load a checkpoint once; turn standardised tiles, or whole images, into probabilities."""

import os
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from shared.images.normalise import standardise
from shared.net.checkpoint import LoadedModel, Metadata, load_checkpoint
from shared.net.device import resolve_device, resolve_precision
from shared.net.tiling import TILE_SIZE, Stitcher, cut, plan_tiles
from shared.net.torch_backend import PROBABILITY_LEVELS, TorchBackend

__all__ = ["PROBABILITY_LEVELS", "Predictor"]

_IMAGE_BATCH = 8  # tiles at a time in `predict_image`


class Predictor:
    """A network on its device, ready to segment. Threads may call it at once."""

    def __init__(self, model: LoadedModel, device: torch.device, dtype: torch.dtype) -> None:
        self._metadata = model.metadata
        self._sha256 = model.sha256
        self._threshold = model.threshold
        self._device = device
        self._dtype = dtype
        self._backend = TorchBackend(model.net, device, dtype)

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str = "auto", precision: str = "auto") -> Self:
        """Load the checkpoint at `path` onto "auto", "cpu", "cuda" or "cuda:N".

        Raises `CheckpointError` for unusable weights, `ConfigurationError` for a GPU that is not there or a
        precision that does not exist.
        """
        where = resolve_device(device)
        return cls(load_checkpoint(path, where), where, resolve_precision(precision, where))

    @property
    def device_name(self) -> str:
        """The device in words: "cpu", or "cuda:0 (NVIDIA H100)"."""
        if self._device.type == "cpu":
            return "cpu"
        return f"{self._device} ({torch.cuda.get_device_name(self._device)})"

    @property
    def precision(self) -> str:
        """The convolutions' arithmetic: "float32", "bfloat16" or "float16"."""
        return str(self._dtype).removeprefix("torch.")

    @property
    def sha256(self) -> str:
        """Names the weights: the SHA-256 (hex) of model.safetensors."""
        return self._sha256

    @property
    def threshold(self) -> float:
        """Foreground is probability >= threshold."""
        return self._threshold

    @property
    def metadata(self) -> Metadata:
        """All of model.json: architecture, preprocessing version, training, metrics, versions."""
        return self._metadata

    def warm_up(self, batch_size: int) -> None:
        """Run one empty batch, so that the first real one does not pay for lazy initialisation."""
        self.predict_tiles(np.zeros((batch_size, TILE_SIZE, TILE_SIZE), dtype=np.float32))

    def predict_tiles(self, tiles: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Quantised foreground probabilities, uint8 (N, H, W): round(p · 255).

        `tiles` is float32 (N, H, W), standardised with the statistics of the whole image that each was cut from.
        The quantising happens on the device: a quarter of the bytes come back. Raises `DeviceOutOfMemory`.
        """
        return self._backend.levels(tiles)

    def predict_image(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Foreground probability, float32 (H, W) in [0, 1], of a finite float32 image (H, W) in any units.

        Standardises the whole image, cuts it into tiles and blends their probabilities, unquantised. Raises
        `DeviceOutOfMemory`.
        """
        plan = plan_tiles(*image.shape)
        tiles = cut(standardise(image), plan)
        stitcher = Stitcher(plan)
        for first in range(0, len(tiles), _IMAGE_BATCH):
            batch = self._backend.probabilities(tiles[first : first + _IMAGE_BATCH])
            for offset, probability in enumerate(batch):
                stitcher.add(first + offset, probability)
        blended: NDArray[np.float32] = np.clip(stitcher.result(), 0.0, 1.0)
        return blended
