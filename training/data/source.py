"""What training asks of its data: batches by epoch and position, the same ones however often they are asked for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from shared.net.intake import Intake


class Batch(NamedTuple):
    """Samples on the training device."""

    images: Tensor  # float32 (N, C, H, W), each channel of each standardised; of most C is 1
    masks: Tensor  # float32 (N, 1, H, W), 1 inside and 0 outside


def up_to(samples: int, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches until they have so many samples; of none nothing is asked for."""
    missing, each = samples, iter(batches)
    while missing > 0 and (batch := next(each, None)) is not None:
        missing -= len(batch.images)
        yield batch


@dataclass(frozen=True)
class NoiseLevel:
    """The noise that a curriculum asks for in one epoch; a folder's images bring their own."""

    scale: float = 1.0  # severity, in [0, 1]
    mixed_prob: float | None = None  # share of mixtures; None: the definition's


@dataclass(frozen=True)
class Process:
    """The process of a run that asks for batches."""

    seed: int  # of the run
    batch_size: int  # samples that it computes at once
    device: torch.device  # that the batches come on
    rank: int = 0
    world_size: int = 1  # processes of the run

    def batches_of(self, samples: int) -> int:
        """Return how many batches each process has of so many samples; those that fill none of all are left out."""
        return samples // (self.batch_size * self.world_size)

    def first_of(self, position: int) -> int:
        """Return which sample of an epoch its batch at a position begins with."""
        return (position * self.world_size + self.rank) * self.batch_size


class DataSource(Protocol):
    """Batches of one run for one process of `world_size`.

    Sample i of an epoch depends on the run's seed, the epoch and i alone: neither on the batch size, nor on the number
    of processes, nor on what was asked for before. So a run resumes anywhere, and two processes see, between them, what
    one process would.
    """

    @property
    def intake(self) -> Intake:
        """How images like these are to go through a network that was trained on them, in the worker too."""
        ...

    @property
    def held_out_names(self) -> Sequence[str]:
        """What the pairs that are never trained on are called, scored or not; of scenes, which are all new, none."""
        ...

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches of this process; samples that fill no batch of all processes are left out."""
        ...

    def batches(self, epoch: int, noise: NoiseLevel, start: int = 0) -> Iterator[Batch]:
        """Yield the epoch's batches from the position `start` (in batches) on."""
        ...

    def fresh(self) -> Iterator[Batch]:
        """Yield an epoch's number of batches of training samples that no epoch has; for normalisation's statistics."""
        ...

    def calibration(self) -> Iterator[Batch]:
        """Yield batches that are like the validated ones and not trained on; of scenes, not scored either."""
        ...

    def validation(self) -> Mapping[str, Iterable[Batch]]:
        """Return the held-out sets by name, "val" and, for synthetic data, "clean"; fixed, and never trained on.

        Each can be gone through many times. Of several processes, each gets a part of the batches.
        """
        ...
