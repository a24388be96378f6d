"""The seam between the loop that trains and the sources that make samples.

A source gives batches for a `Span` of one epoch. The samples are named by (seed, epoch, position) alone, so a run
that stopped goes on with the very samples that it would have met, and processes that share the work share no sample.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Both float32 (N, 1, H, W) on the training device: images standardised, masks 0 or 1."""

    images: Tensor
    masks: Tensor


@dataclass(frozen=True)
class Span:
    """The samples of one epoch that one process is asked for.

    Batch k holds the positions from start + k · stride on, `batch_size` of them; a batch that does not fit whole
    before `stop` is left out. With one process the stride is the batch size.
    """

    seed: int  # of the run
    epoch: int  # from 1
    epoch_images: int  # samples in every epoch
    start: int  # position of the first sample, from 0
    stop: int  # the position behind the last sample
    batch_size: int
    stride: int

    def __len__(self) -> int:
        """Number of batches."""
        return max(0, (self.stop - self.start - self.batch_size) // self.stride + 1)

    def positions(self, batch: int) -> range:
        """The positions of a batch's samples in the epoch."""
        first = self.start + batch * self.stride
        return range(first, first + self.batch_size)

    def index(self, position: int) -> int:
        """The sample's number in the whole run, which names it where every epoch is made anew."""
        return (self.epoch - 1) * self.epoch_images + position
