"""Training on what reviewers accepted or corrected, read from SQL and the object store; see docs/review.md.

Which pairs are held out follows from the path of each image alone, by a hash: it stays so while corrections come in,
for whoever looks, and for the same image in several jobs. A share of the training samples may be scenes of the
definition, so that what the network knew is not forgotten.

An image is what the network saw of it: of several pages the first, the channel that its job takes, and the scale at
which it was segmented; its mask likewise.
"""

import hashlib
import json
import shutil
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from shared.bounded_map import bounded_map
from shared.commandline import opened_services
from shared.errors import ImageError, ObjectMissing, UsageError
from shared.flows.exports.decoding import decoded_any
from shared.flows.items import all_teaching
from shared.flows.lookup import find_job
from shared.images.codec import decode_mask
from shared.images.pairs.masks import LIMITS
from shared.images.resample import scaled
from shared.images.scale import scale_in
from shared.net.intake import AS_SHIPPED
from shared.services import Services
from training.data.config import DataConfig
from training.data.folder import FolderData
from training.data.resampled import save_image, save_mask
from training.data.seeds import training_seed
from training.data.source import Batch, NoiseLevel, Process
from training.data.synthesis import training_pairs

_SCENES_STREAM = 13
_FETCHED_AT_ONCE = 4
_PARTS = ("train", "val")
_LEAST_BATCHES = 8  # of an epoch
_DIGITS = 16  # of the hash of a path


@dataclass(frozen=True)
class JobPair:
    """Image and mask of one result."""

    item: str  # its id
    path: str
    image_key: str
    channel: str  # that is taken of its image, see `shared.images.channel_choice`
    scale: float  # by which the image was resampled for the network
    mask_key: str
    is_corrected: bool

    @property
    def place(self) -> float:
        """A number from 0 to 1 that follows from the path alone."""
        return int(self._hash, 16) / float(16**_DIGITS)

    @property
    def name(self) -> str:
        """What both of its files are called, without their extensions."""
        return f"{self._hash}-{self.item}"

    @property
    def _hash(self) -> str:
        return hashlib.sha256(self.path.encode()).hexdigest()[:_DIGITS]


def find_job_pairs(services: Services, config: DataConfig) -> list[JobPair]:
    """Return the pairs of the config's jobs, or of all that there are, by name.

    Raises:
        UsageError: there is no such job, or nothing to train on in it.
    """
    jobs: list[str | None] = [find_job(services, reference).id for reference in config.jobs]
    items = (item for job in jobs or [None] for item in all_teaching(services.repository, job))
    channel_of = cache(lambda job: services.repository.job(job).channel)
    pairs = [
        JobPair(
            item=item.id,
            path=item.path,
            image_key=item.source_key,
            channel=channel_of(item.job_id),
            scale=scale_in(item.preprocessing),
            mask_key=mask_key,
            is_corrected=item.review.correction_key is not None,
        )
        for item in items
        if item.source_key is not None and (mask_key := item.review.correction_key or item.mask_key) is not None
    ]
    if len({pair.path for pair in pairs}) < 2:
        raise UsageError(
            f"{len(pairs)} images were accepted or corrected, and training needs two at least, one of them to validate "
            "on: review more on the page of the job"
        )
    return sorted(pairs, key=lambda pair: pair.name)


def split_job_pairs(pairs: Sequence[JobPair], share: float) -> tuple[list[JobPair], list[JobPair]]:
    """Return what is trained on and what is held out: `share` of the paths, one at least on either side.

    A pair stays where it is, but for the one that has to fill a side on which the first few left nothing.
    """
    places = sorted({pair.place for pair in pairs})
    limit = min(max(share, np.nextafter(places[0], 1.0)), places[-1])
    return [pair for pair in pairs if pair.place >= limit], [pair for pair in pairs if pair.place < limit]


def fetch_job_pairs(
    services: Services, pairs: Sequence[JobPair], folder: Path, *, quiet: bool = False
) -> list[JobPair]:
    """Write pairs into `images` and `masks` of a folder; return those that can be used.

    How many cannot, and why, is told in one line unless `quiet`.
    """
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)

    def fetch(pair: JobPair) -> str:
        """Return what is wrong with it; "" where nothing is."""
        try:
            image, mask = services.store.get(pair.image_key), services.store.get(pair.mask_key)
            pixels, has_holes = decoded_any(image, pair.channel)
            inside = decode_mask(mask)
        except ObjectMissing:
            return "gone from the object store"
        except ImageError as error:
            return error.code
        if has_holes:
            return "pixels without data"
        if inside.shape != pixels.shape:
            return "a mask of another size"
        shape = scaled(inside.shape, pair.scale)
        try:
            LIMITS.check(shape[1], shape[0])
        except ImageError as error:
            return error.code if pair.scale == 1.0 else f"{error.code} at its scale"
        image_path, mask_path = folder / "images" / f"{pair.name}.npy", folder / "masks" / f"{pair.name}.png"
        if shape == inside.shape:
            np.save(image_path, pixels)
            mask_path.write_bytes(mask)
        else:
            save_image(image_path, pixels, shape)
            save_mask(mask_path, inside, shape)
        return ""

    with (
        ThreadPoolExecutor(_FETCHED_AT_ONCE, thread_name_prefix="pairs") as pool,
        closing(bounded_map(fetch, pairs, pool, ahead=_FETCHED_AT_ONCE)) as done,
    ):
        faults = list(done)
    unusable = Counter(filter(None, faults))
    if unusable and not quiet:
        reasons = ", ".join(f"{count:,} × {fault}" for fault, count in unusable.most_common())
        print(f"note: of {len(pairs):,} pairs {unusable.total():,} cannot be used, and are left out: {reasons}")
    return [pair for pair, fault in zip(pairs, faults, strict=True) if not fault]


def job_definition(config: DataConfig) -> dict[str, Any]:
    """Describe the pairs as `training.recipe.provenance.data_definition` does."""
    with opened_services(quiet=True) as services:
        pairs = find_job_pairs(services, config)
    objects = [[pair.path, pair.image_key, pair.mask_key, pair.scale] for pair in pairs]
    return {
        "name": "reviewed results",
        "sha256": hashlib.sha256(json.dumps(objects).encode()).hexdigest(),
        "values": {"pairs": len(pairs), "corrected": sum(pair.is_corrected for pair in pairs)},
    }


class JobData(FolderData):
    """A `DataSource` of reviewed results: a folder of pairs that is fetched once, and scenes among its samples."""

    def __init__(self, config: DataConfig, process: Process) -> None:
        folder = Path(mkdtemp(prefix="delineate-pairs-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        with opened_services(quiet=True) as services:
            parts = split_job_pairs(find_job_pairs(services, config), config.validation_share)
            pairs = [
                fetch_job_pairs(services, part, folder / name, quiet=process.rank > 0)
                for name, part in zip(_PARTS, parts, strict=True)
            ]
        if not all(pairs):  # with one part alone the other would be taken from it
            raise UsageError("too few of the reviewed pairs can be used: `admin audit` tells what the store has lost")
        # Few pairs make an epoch of some batches too.
        samples = config.samples or max(len(pairs[0]), _LEAST_BATCHES * process.batch_size * process.world_size)
        changes = {"kind": "folder", "folder": folder, "foreground": "nonzero", "samples": samples}
        super().__init__(config.model_copy(update=changes), process)
        self.intake = AS_SHIPPED  # what made the results is trained on, and their images go through it as they did

    def batches(self, epoch: int, noise: NoiseLevel, start: int = 0) -> Iterator[Batch]:
        """See `DataSource`; scenes among the samples have the noise that is asked for, pairs bring their own."""
        for position, batch in enumerate(super().batches(epoch, noise, start), start=start):
            first = self.process.first_of(position) + epoch * self.samples_per_epoch
            seeds = [training_seed(self.process.seed, first + i) for i in range(len(batch.images))]
            yield self._with_scenes(batch, seeds, noise)

    def _with_scenes(self, batch: Batch, seeds: Sequence[int], noise: NoiseLevel) -> Batch:
        draws = [np.random.default_rng((seed, _SCENES_STREAM)).random() for seed in seeds]
        places = [place for place, draw in enumerate(draws) if draw < self.config.scene_share]
        if places:
            definition = self.config.definitions()[self.config.definition]
            batch.images[places], batch.masks[places] = training_pairs(
                [seeds[place] for place in places],
                self.process.device,
                definition,
                size=self.config.size,
                severity=noise.scale,
                mixed_prob=noise.mixed_prob,
                clean_share=self.config.clean_share,
            )
        return batch
