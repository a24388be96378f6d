"""What every backend does, and all that the predictor and the worker know of one."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.net.checkpoint import LoadedModel

PROBABILITY_LEVELS = 255
"""A quantised probability is round(p · PROBABILITY_LEVELS), one byte."""


@dataclass(frozen=True)
class DeviceMemory:
    """The memory of a device that has its own, in bytes; the fields are the kinds of docs/monitoring.md."""

    allocated: int  # used by the network
    reserved: int  # kept by the backend for its next batches, what is allocated included
    free: int  # for all processes
    total: int


@dataclass(frozen=True, eq=False)
class Answer:
    """What the network says of one tile."""

    levels: NDArray[np.uint8]  # H×W, foreground probabilities in 255ths
    # Pooled features of each depth, float32 (2C, rows, columns), see `shared.net.network.Trunk`; none where a backend
    # gives none, whose results then have no familiarity.
    features: tuple[NDArray[np.float32], ...] = ()
    is_finite: bool = True  # whether all of its probabilities were numbers; else the levels mean nothing


class Backend(ABC):
    """One network on one device. Threads may call it at once.

    Tiles are float32 (N, H, W), standardised with the statistics of the image that each was cut from, H and W of the
    sides that the model's `intake` plans. A model of C channels gets (N, C, H, W), or (N, H, W) of grey images, which
    stand for each of its channels; where its intake says so, one more channel behind them tells padding. What a backend
    needs beyond torch, it imports in `open`: it may not be installed.
    """

    @classmethod
    @abstractmethod
    def open(cls, model: LoadedModel, *, device: str, precision: str) -> Self:
        """Put a model on the device, ready to run.

        Args:
            model: its network, on the CPU, is the backend's to keep or to change.
            device: a name that the backend knows; "auto" is its best one.
            precision: of the convolutions, likewise.

        Raises:
            ConfigurationError: there is no such device or precision.
            DeviceOutOfMemory: the model does not fit beside what the device holds.
            DeviceFailed: the device is lost to this process.
        """

    @property
    @abstractmethod
    def device_name(self) -> str:
        """The device in words, such as "cuda:0 (NVIDIA H100)"; "cpu" where it takes the process's own cores."""

    @property
    @abstractmethod
    def precision(self) -> str:
        """The convolutions' arithmetic, such as "bfloat16"."""

    @abstractmethod
    def probabilities(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the foreground probabilities of tiles, in [0, 1], (N, H, W).

        Raises:
            DeviceOutOfMemory: a smaller batch may fit.
            DeviceFailed: the device is lost to this process.
        """

    def levels(self, tiles: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the same in 255ths. A device of its own quantises there, so that a quarter of the bytes come back.

        Raises:
            DeviceOutOfMemory: a smaller batch may fit.
        """
        return np.rint(self.probabilities(tiles) * PROBABILITY_LEVELS).astype(np.uint8)

    def answers(self, tiles: NDArray[np.float32]) -> list[Answer]:
        """Return the levels of each tile, and the pooled features where the backend has them from the same pass.

        One that has `levels` of its own has this as well.

        Raises:
            DeviceOutOfMemory: a smaller batch may fit.
            DeviceFailed: the device is lost to this process.
        """
        probabilities = self.probabilities(tiles)
        finite = np.isfinite(probabilities.sum(axis=(1, 2)))
        levels = np.rint(np.nan_to_num(probabilities) * PROBABILITY_LEVELS).astype(np.uint8)
        return [Answer(each, is_finite=bool(is_finite)) for each, is_finite in zip(levels, finite, strict=True)]

    def memory(self) -> DeviceMemory | None:
        """Return how full the device's own memory is; None where it has none."""
        return None

    def use_one_core_a_call(self) -> None:  # noqa: B027 - not abstract: most devices are no CPU
        """Take no more than one core of a CPU for a call, in the whole process: its callers fill the others."""
