"""Training on image/mask pairs of one's own: FOLDER/images/NAME.EXT beside FOLDER/masks/NAME.EXT.

A pair has one name, any of the formats that are read each, and one size. A mask is foreground where it is over half of
its range. Pairs are decoded when a batch needs them and cut to squares of the training size.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from shared.errors import ImageError, UsageError
from shared.images.codec import DecodeLimits, decode
from shared.images.decoded import Pixels
from shared.images.formats import IMAGE_EXTENSIONS
from shared.images.notes import NoteCode, note_codes
from shared.images.padding import pad_with_ground
from shared.images.preparation import prepare
from training.data.config import DataConfig
from training.data.source import Batch, NoiseLevel

_LIMITS = DecodeLimits(min_side=16, max_side=16384)
_THREADS = 4  # that decode
_SPLIT_STREAM, _EPOCH_STREAM = 11, 12


@dataclass(frozen=True)
class Pair:
    """The two files of one sample."""

    image: Path
    mask: Path


def find_pairs(folder: Path) -> list[Pair]:
    """Return all pairs by name.

    Raises:
        UsageError: a folder is missing or empty, or an image has not just one mask.
    """
    images, masks = (_by_name(folder / name) for name in ("images", "masks"))
    alone = sorted(images.keys() ^ masks.keys())
    if alone:
        side, other = ("an image", "mask") if alone[0] in images else ("a mask", "image")
        raise UsageError(
            f"{folder}: {alone[0]!r} is {side} without its {other} ({len(alone)} such): give both the same name"
        )
    if len(images) < 2:
        raise UsageError(f"{folder} has {len(images)} pairs: training needs two at least, one of them to validate on")
    return [Pair(images[name], masks[name]) for name in sorted(images)]


def read_pair(pair: Pair) -> tuple[Pixels, NDArray[np.bool_]]:
    """Read the image (H, W) in its own units, and the mask.

    Raises:
        UsageError: a file is no image, or the two differ in size.
    """
    image, mask = _decode(pair.image), _decode(pair.mask, is_mask=True)
    if image.shape != mask.shape:
        sizes = [f"{pixels.shape[1]}×{pixels.shape[0]}" for pixels in (image, mask)]
        raise UsageError(f"{pair.mask} is {sizes[1]} px, its image is {sizes[0]} px: a pair has one size")
    low, high = float(mask.min()), float(mask.max())
    if low == high:  # all background, or all foreground
        return image, np.full(mask.shape, high > 0)
    return image, mask > (low + high) / 2


class FolderData:
    """A `DataSource` of a folder. A seed splits it once; training samples are cropped, flipped and turned at random."""

    def __init__(
        self,
        config: DataConfig,
        *,
        seed: int,
        batch_size: int,
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if config.folder is None:
            raise UsageError("data.folder: name the folder of the pairs")
        self.config = config
        self.seed = seed
        self.batch_size = batch_size
        self.device = device
        self.rank = rank
        self.world_size = world_size
        pairs = find_pairs(config.folder)
        order = np.random.default_rng((config.split_seed, _SPLIT_STREAM)).permutation(len(pairs))
        held_out = min(max(round(len(pairs) * config.validation_share), 1), len(pairs) - 1)
        self.held_out = [pairs[i] for i in order[:held_out]][: config.validation_samples]
        self.training = [pairs[i] for i in order[held_out:]]
        self.samples_per_epoch = config.samples or len(self.training)
        if self.batches_per_epoch == 0:
            raise UsageError(
                f"an epoch of {self.samples_per_epoch} samples of {config.folder} fills no batch of "
                f"{batch_size * world_size}: lower optimiser.batch_size or raise data.samples"
            )

    @property
    def batches_per_epoch(self) -> int:
        """See `DataSource`."""
        return self.samples_per_epoch // (self.batch_size * self.world_size)

    def batches(self, epoch: int, noise: NoiseLevel, start: int = 0) -> Iterator[Batch]:
        """See `DataSource`; `noise` is not used, the images bring their own."""
        del noise
        rounds = -(-self.samples_per_epoch // len(self.training))
        rng = np.random.default_rng((self.seed, epoch, _EPOCH_STREAM))
        order = np.concatenate([rng.permutation(len(self.training)) for _ in range(rounds)])
        with ThreadPoolExecutor(_THREADS) as threads:
            for position in range(start, self.batches_per_epoch):
                first = (position * self.world_size + self.rank) * self.batch_size
                indices = range(first, first + self.batch_size)
                yield self._batch(list(threads.map(lambda i: self._augmented(epoch, i, int(order[i])), indices)))

    def calibration(self) -> Iterator[Batch]:
        """See `DataSource`: augmented pairs, in an order that no epoch has."""
        return self.batches(0, NoiseLevel())

    def validation(self) -> Mapping[str, Iterable[Batch]]:
        """See `DataSource`: the held-out pairs, their middle where they are larger than a sample."""
        return {"val": _HeldOut(self)}

    def held_out_batches(self) -> Iterator[Batch]:
        """Yield the batches of this process's part of the held-out pairs."""
        stride = self.world_size * self.batch_size
        for first in range(self.rank * self.batch_size, len(self.held_out), stride):
            pairs = self.held_out[first : first + self.batch_size]
            yield self._batch([_cut(*read_pair(pair), self.config.size, (0.5, 0.5)) for pair in pairs])

    def _augmented(self, epoch: int, index: int, pair: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        rng = np.random.default_rng((self.seed, epoch, index, _EPOCH_STREAM))
        image, mask = _cut(*read_pair(self.training[pair]), self.config.size, (rng.random(), rng.random()))
        turns, is_flipped = int(rng.integers(4)), bool(rng.integers(2))
        image, mask = np.rot90(image, turns), np.rot90(mask, turns)
        return (image[:, ::-1], mask[:, ::-1]) if is_flipped else (image, mask)

    def _batch(self, samples: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]]) -> Batch:
        images = torch.from_numpy(np.stack([image for image, _ in samples]))
        masks = torch.from_numpy(np.stack([mask for _, mask in samples]))
        return Batch(images[:, None].to(self.device), masks[:, None].to(self.device).float())


@dataclass(frozen=True, eq=False)
class _HeldOut(Iterable[Batch]):
    source: FolderData

    def __iter__(self) -> Iterator[Batch]:
        return self.source.held_out_batches()


def _cut(
    image: Pixels, mask: NDArray[np.bool_], size: int, place: tuple[float, float]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Cut a square of the training size at `place`, 0 to 1 from the top left; a smaller image is padded with its mean.

    Standardised as a whole before it is cut, as the worker does.
    """
    missing = [max(size - side, 0) for side in image.shape]
    padding = [(m // 2, m - m // 2) for m in missing]
    above_and_left = (padding[0], padding[1])
    padded, mask = pad_with_ground(prepare(image).image, above_and_left), np.pad(mask, padding)
    row, column = (round(share * (side - size)) for share, side in zip(place, padded.shape, strict=True))
    return padded[row : row + size, column : column + size], mask[row : row + size, column : column + size]


def _by_name(folder: Path) -> dict[str, Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be read ({error.strerror}): put `images` and `masks` side by side"
        ) from error
    files: dict[str, Path] = {}
    for entry in entries:
        path = Path(entry.path)
        if path.suffix.lower() not in IMAGE_EXTENSIONS or not entry.is_file():
            continue
        if path.stem in files:
            raise UsageError(f"{folder} has {files[path.stem].name} and {path.name}: keep one file of each name")
        files[path.stem] = path
    return files


def _decode(path: Path, *, is_mask: bool = False) -> Pixels:
    """The pixels as the worker would have them, where it is plain what those are; else it is refused."""
    try:
        decoded = decode(path.read_bytes(), limits=_LIMITS)
        if is_mask and decoded.is_transparent:
            raise UsageError(f"{path} is transparent in places: save the mask without transparency, black and white")
        if NoteCode.ORIENTATION in note_codes(decoded.note):
            raise UsageError(f"{path} is shown turned, and used as stored: save image and mask as they are shown")
        if decoded.has_holes:
            raise UsageError(f"{path} has pixels without data: fill them in, or leave it out")
        return decoded.pixels
    except ImageError as error:
        raise UsageError(f"{path} cannot be used: {error}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
