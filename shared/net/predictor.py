"""Load a checkpoint once; turn standardised tiles, or whole images, into probabilities."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from shared.errors import DeviceOutOfMemory
from shared.images.normalise import standardise
from shared.net.architectures import in_channels_last
from shared.net.checkpoint import LoadedModel, Metadata, load_checkpoint
from shared.net.device import resolve_device, resolve_precision
from shared.net.tiling import TILE_SIZE, Stitcher, cut, plan_tiles

PROBABILITY_LEVELS = 255
"""A quantised probability is round(p · PROBABILITY_LEVELS), one byte."""

_IMAGE_BATCH = 8  # tiles at a time in `predict_image`


class Predictor:
    """A network on its device, ready to segment. Threads may call it at once on a CPU; on a GPU they take turns."""

    def __init__(self, model: LoadedModel, device: torch.device, dtype: torch.dtype) -> None:
        self._net = in_channels_last(model.net)
        self._model = model
        self._device = device
        self._dtype = dtype

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
        return self._model.sha256

    @property
    def threshold(self) -> float:
        """Foreground is probability >= threshold."""
        return self._model.threshold

    @property
    def metadata(self) -> Metadata:
        """All of model.json: architecture, preprocessing version, training, metrics, versions."""
        return self._model.metadata

    def warm_up(self, batch_size: int) -> None:
        """Run one empty batch, so that the first real one does not pay for lazy initialisation."""
        self.predict_tiles(np.zeros((batch_size, TILE_SIZE, TILE_SIZE), dtype=np.float32))

    def predict_tiles(self, tiles: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Quantised foreground probabilities, uint8 (N, H, W): round(p · 255).

        `tiles` is float32 (N, H, W), standardised with the statistics of the whole image that each was cut from.
        The quantising happens on the device: a quarter of the bytes come back. Raises `DeviceOutOfMemory`.
        """
        with torch.inference_mode():
            levels = self._probabilities(tiles).mul_(PROBABILITY_LEVELS).round_().to(torch.uint8)
            return levels.cpu().numpy()

    def predict_image(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Foreground probability, float32 (H, W) in [0, 1], of a finite float32 image (H, W) in any units.

        Standardises the whole image, cuts it into tiles and blends their probabilities, unquantised. Raises
        `DeviceOutOfMemory`.
        """
        plan = plan_tiles(*image.shape)
        tiles = cut(standardise(image), plan)
        stitcher = Stitcher(plan)
        for first in range(0, len(tiles), _IMAGE_BATCH):
            batch = self._probabilities(tiles[first : first + _IMAGE_BATCH]).cpu().numpy()
            for offset, probability in enumerate(batch):
                stitcher.add(first + offset, probability)
        return np.clip(stitcher.result(), 0.0, 1.0)

    def _probabilities(self, tiles: NDArray[np.float32]) -> torch.Tensor:
        """Float32 (N, H, W) on the device."""
        autocast = torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32)
        with torch.inference_mode(), autocast, _memory_errors(self._device, len(tiles)):
            batch = torch.from_numpy(tiles)[:, None].to(self._device, memory_format=torch.channels_last)
            logits: torch.Tensor = self._net(batch)
            return torch.sigmoid(logits[:, 0].float())


@contextmanager
def _memory_errors(device: torch.device, batch_size: int) -> Iterator[None]:
    """Turn the device's out-of-memory error into ours, and leave its cache empty for a smaller batch."""
    try:
        yield
    except RuntimeError as error:
        # On the CPU running out of memory is a plain RuntimeError.
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        torch.cuda.empty_cache()
        raise DeviceOutOfMemory(
            f"a batch of {batch_size} tiles does not fit in the memory of {device}: use a smaller batch"
        ) from error
