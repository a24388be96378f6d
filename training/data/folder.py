"""Training on image/mask pairs of one's own: a `DataSource` of a folder.

Pairs are cut to squares of the training size, flipped, turned and varied at random; those that are held out are scored
as they are, nearly as the worker would see them. See `training.data.pairs` for what may lie in the folder.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray

from shared.errors import UsageError
from shared.images.padding import NO_PADDING
from shared.net.intake import Intake
from shared.net.tiling import TILE_SIDES
from training.data.augmentation import bend, relight
from training.data.config import DataConfig
from training.data.pairs.cache import PairCache, Sample
from training.data.pairs.split import split
from training.data.pairs.survey import Survey, survey
from training.data.source import Batch, NoiseLevel, Process

_THREADS = 4  # that decode
_EPOCH_STREAM = 12
_MOST_SCORED_PX = TILE_SIDES[-1]
_Cut = tuple[NDArray[np.float32], NDArray[np.bool_]]


class FolderData:
    """A `DataSource` of a folder. A seed splits it once; training samples are cropped, flipped and turned at random."""

    def __init__(
        self,
        config: DataConfig,
        process: Process,
        surveyed: Survey | None = None,
        *,
        channels: int = 1,
        knows_padding: bool = False,
    ) -> None:
        self.config = config
        self.process = process
        # Images in their own resolution, in tiles from the samples' side up.
        self.intake = Intake.of_samples(config.size, channels=channels, knows_padding=knows_padding)
        self.survey = (surveyed or survey(config)).check()
        self.training, self.held_out = split(self.survey, config)
        self._cache = PairCache(self.survey.rules, config.cache_mib << 20, channels)
        self.samples_per_epoch = config.samples or len(self.training)
        if self.batches_per_epoch == 0:
            raise UsageError(
                f"an epoch of {self.samples_per_epoch} samples of {config.folder} fills no batch of "
                f"{process.batch_size * process.world_size}: lower optimiser.batch_size or raise data.samples"
            )

    @property
    def held_out_names(self) -> Sequence[str]:
        """See `DataSource`."""
        return [pair.name for pair in self.held_out]

    @property
    def batches_per_epoch(self) -> int:
        """See `DataSource`."""
        return self.process.batches_of(self.samples_per_epoch)

    def batches(self, epoch: int, noise: NoiseLevel, start: int = 0) -> Iterator[Batch]:
        """See `DataSource`; `noise` is not used, the images bring their own."""
        del noise
        rounds = -(-self.samples_per_epoch // len(self.training))
        rng = np.random.default_rng((self.process.seed, epoch, _EPOCH_STREAM))
        order = np.concatenate([rng.permutation(len(self.training)) for _ in range(rounds)])
        with ThreadPoolExecutor(_THREADS) as threads:
            for position in range(start, self.batches_per_epoch):
                first = self.process.first_of(position)
                indices = range(first, first + self.process.batch_size)
                yield self._batch(list(threads.map(lambda i: self._augmented(epoch, i, int(order[i])), indices)))

    def fresh(self) -> Iterator[Batch]:
        """See `DataSource`: augmented pairs, in an order that no epoch has."""
        return self.batches(0, NoiseLevel())

    def calibration(self) -> Iterator[Batch]:
        """See `DataSource`: the held-out pairs, one after the other, for as long as is asked."""
        yield from self.held_out_batches()

    def validation(self) -> Mapping[str, Iterable[Batch]]:
        """See `DataSource`: the held-out pairs, whole, of very large ones the middle."""
        return {"val": _HeldOut(self)}

    def held_out_batches(self) -> Iterator[Batch]:
        """Yield the batches of this process's part of the pairs that are scored, each of images of one size."""
        mine = self.held_out[: self.config.validation_samples][self.process.rank :: self.process.world_size]
        whole = (_whole(self._cache.get(pair), self.intake) for pair in mine)
        for _, group in groupby(whole, key=lambda cut: cut[0].shape):
            waiting: list[_Cut] = []
            for sample in group:
                waiting.append(sample)
                if len(waiting) * sample[1].size >= self.process.batch_size * self.config.size**2:
                    yield self._batch(waiting)
                    waiting = []
            if waiting:
                yield self._batch(waiting)

    def _augmented(self, epoch: int, index: int, pair: int) -> _Cut:
        rng = np.random.default_rng((self.process.seed, epoch, index, _EPOCH_STREAM))
        sample = self._cache.get(self.training[pair])
        image, mask = self._cut_out(sample, rng)
        turns, is_flipped = int(rng.integers(4)), bool(rng.integers(2))
        image, mask = np.rot90(image, turns, axes=(-2, -1)), np.rot90(mask, turns)
        if is_flipped:
            image, mask = image[..., ::-1], mask[..., ::-1]
        if not self.intake.knows_padding:
            return relight(image, self.config.augmentation, rng), mask
        return np.concatenate([relight(image[:-1], self.config.augmentation, rng), image[-1:]]), mask

    def _cut_out(self, sample: Sample, rng: np.random.Generator) -> _Cut:
        size, shape = self.config.size, sample.mask.shape
        place = (rng.random(), rng.random())
        if len(sample.points) and rng.random() < self.config.foreground_share:
            point = sample.points[rng.integers(len(sample.points))] + (rng.random(2) - 0.5) * size / 2
            place = tuple(
                min(max((p - size / 2) / max(side - size, 1), 0), 1) for p, side in zip(point, shape, strict=True)
            )
        if rng.random() < self.config.augmentation.bend:
            centre = tuple(
                share * max(side - size, 0) + min(size, side) / 2 for share, side in zip(place, shape, strict=True)
            )
            image, mask = bend(sample.image, sample.mask, centre, size, rng)
            return self.intake.padded(image, NO_PADDING), mask
        return _cut(sample, size, place, self.intake)

    def _batch(self, samples: Sequence[_Cut]) -> Batch:
        images = torch.from_numpy(np.stack([image for image, _ in samples]))
        masks = torch.from_numpy(np.stack([mask for _, mask in samples]))
        images = images[:, None] if images.ndim == 3 else images
        return Batch(images.to(self.process.device), masks[:, None].to(self.process.device).float())


@dataclass(frozen=True, eq=False)
class _HeldOut(Iterable[Batch]):
    source: FolderData

    def __iter__(self) -> Iterator[Batch]:
        return self.source.held_out_batches()


def _whole(sample: Sample, intake: Intake) -> _Cut:
    """The image as the only tile that the worker makes of it; of one that has several the middle."""
    sides = [min(side, _MOST_SCORED_PX) for side in sample.mask.shape]
    starts = [(whole - side) // 2 for whole, side in zip(sample.mask.shape, sides, strict=True)]
    window = tuple(slice(start, start + side) for start, side in zip(starts, sides, strict=True))
    plan = intake.plan(*sides)
    padding = plan.row_padding, plan.column_padding
    return intake.padded(sample.image[..., window[0], window[1]], padding), np.pad(sample.mask[window], padding)


def _cut(sample: Sample, size: int, place: tuple[float, float], intake: Intake) -> _Cut:
    """Cut a square of the training size at `place`, 0 to 1 from the top left; a smaller image gets more of its ground.

    It was prepared as a whole before, as the worker does.
    """
    top, left = (max(size - side, 0) // 2 for side in sample.mask.shape)
    bottom, right = (max(size - side, 0) - before for side, before in zip(sample.mask.shape, (top, left), strict=True))
    padding = (top, bottom), (left, right)
    image, mask = intake.padded(sample.image, padding), np.pad(sample.mask, padding)
    row, column = (round(share * (side - size)) for share, side in zip(place, mask.shape, strict=True))
    return image[..., row : row + size, column : column + size], mask[row : row + size, column : column + size]
