"""A job with results of known masks, on SQLite and a folder, and the command line over it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from producer.cli import main
from shared.db.tables.base import new_id
from shared.images.channel_choice import AUTO
from shared.images.codec import encode_grey, encode_mask, encode_probability
from shared.jobs.records import Job, NewItem
from shared.jobs.state import JobKind
from shared.pixel_size import PixelSize
from shared.services import Services
from shared.store import keys
from tests.outcomes import failure, success

Mask = NDArray[np.bool_]


@pytest.fixture
def services(own_services: Services) -> Services:
    return own_services


def levels_of(mask: Mask) -> NDArray[np.uint8]:
    """A probability map of the mask, in levels: a ramp on each side of the threshold."""
    ramp = np.arange(mask.size, dtype=np.int64).reshape(mask.shape) % 100
    return np.where(mask, 255 - ramp, ramp).astype(np.uint8)


def source_of(mask: Mask) -> NDArray[np.uint8]:
    return (mask * np.uint8(100) + np.arange(mask.shape[1], dtype=np.uint8)[None] % 50).astype(np.uint8)


@dataclass
class Made:
    """A job and the masks of what succeeded in it, by path."""

    services: Services
    id: str
    masks: dict[str, Mask]
    run: Callable[..., Result]

    @property
    def job(self) -> Job:
        return self.services.repository.job(self.id)

    def export(self, format_name: str, to: Path, *more: str) -> Result:
        return self.run("export", self.id, "--format", format_name, "--to", str(to), *more)

    def key(self, path: str, kind: str) -> str:
        item = next(item for item in self.services.repository.items(self.id, limit=1000) if item.path == path)
        return str(getattr(item, f"{kind}_key"))


MakeJob = Callable[..., Made]


@pytest.fixture
def make(services: Services) -> MakeJob:
    """Make a job of masks by path; a path with None fails, one in `pending` waits."""

    def made(
        masks: dict[str, Mask | None],
        *,
        pending: tuple[str, ...] = (),
        pixel_size: PixelSize | None = None,
        sources: Mapping[str, bytes] = MappingProxyType({}),
        channel: str = AUTO,
    ) -> Made:
        size = {} if pixel_size is None else {"pixel_width_um": pixel_size.x, "pixel_height_um": pixel_size.y}
        repository = services.repository
        job_id = repository.create_job(JobKind.IMAGES, name="n", submitted_by="t", channel=channel)
        paths = list(masks)
        items = [NewItem(id=new_id(), path=path, source_key=f"jobs/{job_id}/source/x") for path in paths]
        items = [NewItem(id=i.id, path=i.path, source_key=keys.source(job_id, i.id, ".png")) for i in items]
        shards = [repository.add_shard(job_id, items[at : at + 64]) for at in range(0, len(items), 64)]
        if pending:
            repository.add_shard(job_id, [NewItem(id=new_id(), path=path, source_key="s/x") for path in pending])
        repository.seal(job_id)
        for shard in shards:
            claim = services.claims.claim(shard, worker="w")
            assert claim is not None
            outcomes = []
            for item in claim.items:
                mask = masks[item.path]
                if mask is None:
                    outcomes.append(failure(item.id))
                    continue
                services.store.put(keys.mask(job_id, item.id), encode_mask(mask))
                services.store.put(keys.probability(job_id, item.id), encode_probability(levels_of(mask)))
                services.store.put(
                    keys.source(job_id, item.id, ".png"), sources.get(item.path) or encode_grey(source_of(mask))
                )
                height, width = mask.shape
                outcomes.append(
                    success(
                        item.id, width=width, height=height, mask_key=keys.mask(job_id, item.id),
                        probability_key=keys.probability(job_id, item.id), foreground=float(mask.mean()),
                        **size,
                    )
                )  # fmt: skip
            services.claims.complete(claim, outcomes)
        repository.close_if_finished(job_id)

        def run(*arguments: str) -> Result:
            return CliRunner().invoke(main, arguments)

        return Made(services, job_id, {path: mask for path, mask in masks.items() if mask is not None}, run)

    return made


def blobs(height: int = 40, width: int = 61, seed: int = 0) -> Mask:
    """Shapes with holes, diagonal touches and a touch of the border."""
    rows, columns = np.indices((height, width))
    mask = (rows - 14) ** 2 + (columns - 20) ** 2 < 120
    mask &= (rows - 14) ** 2 + (columns - 20) ** 2 > 20
    mask[30:36, 40:48] = mask[36:39, 48:52] = True
    mask[:4, -5:] = True
    return mask ^ (np.random.default_rng(seed).random(mask.shape) > 0.995)
