"""Exports of ten thousand results to a folder: images a second, the command's memory, and the size of the report.

The results are blobs of 256×256 in a local store over SQLite, so that the export is measured and no network.
"""

import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.measure import Effort, Row, command, wait_and_measure
from benchmarks.processes import start_producer
from shared.config import load_settings
from shared.db.migrate import migrate
from shared.db.tables.base import new_id
from shared.images.codec import encode_grey, encode_mask, encode_probability
from shared.jobs.records import NewItem, Success
from shared.jobs.state import JobKind
from shared.services import Services, connect
from shared.store import keys

_SIDE = 256
_SHARD = 64


def rows(effort: Effort) -> list[Row]:
    """Measure a few formats, each by the command line in a process of its own."""
    count = effort.of(10_000, 200)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        named = {
            "DELINEATE_HOME": folder,
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
            "STORE_URL": (home / "objects").as_uri(),
            "BROKER_URL": "redis://127.0.0.1:1/0",
        }
        with closing(connect(load_settings(**{name.lower(): value for name, value in named.items()}))) as services:
            migrate(services.database)
            services.store.prepare()
            job_id = _job(services, count)
        found = []
        for name, to, target in (
            ("masks", "masks", 500.0),
            ("coco", "coco.json", None),
            ("report", "report.html", None),
        ):
            seconds, peak_mib = _exported(job_id, name, home / to, os.environ | named)
            found.append(Row.of(f"{name}: {count:,} images", "images/s", [count / seconds], at_least=target))
            found.append(Row.of(f"{name}: memory of the command", "MiB", [peak_mib], at_most=200))
        size = (home / "report.html").stat().st_size
        found.append(Row.of(f"report: size for {count:,} images", "MiB", [size / 2**20], at_most=5))
    return found


def _exported(job_id: str, name: str, to: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    """Return the seconds that the command took, and the most memory that it had, in MiB."""
    began = time.perf_counter()
    peak_mib, _ = wait_and_measure(start_producer(["export", job_id, "--format", name, "--to", str(to)], environment))
    return time.perf_counter() - began, peak_mib


def _job(services: Services, count: int) -> str:
    repository, store = services.repository, services.store
    row, column = np.indices((_SIDE, _SIDE))
    mask = np.hypot(row - 120, column - 130) < 60 + 12 * np.sin(5 * np.arctan2(row - 120, column - 130))
    objects = {
        keys.mask: encode_mask(mask),
        keys.probability: encode_probability(np.where(mask, 230, 20).astype(np.uint8)),
    }
    source = encode_grey(np.where(mask, 150, 60).astype(np.uint8))
    job_id = repository.create_job(JobKind.IMAGES, name="benchmark", submitted_by="benchmark")
    for first in range(0, count, _SHARD):
        ids = [new_id() for _ in range(first, min(first + _SHARD, count))]
        items = [
            NewItem(id=item_id, path=f"{first + place:06}.png", source_key=keys.source(job_id, item_id, ".png"))
            for place, item_id in enumerate(ids)
        ]
        shard = repository.add_shard(job_id, items)
        for item_id in ids:
            store.put(keys.source(job_id, item_id, ".png"), source)
            for key, data in objects.items():
                store.put(key(job_id, item_id), data)
        claim = services.claims.claim(shard, worker="benchmark")
        if claim is not None:
            services.claims.complete(claim, [_success(job_id, item_id) for item_id in ids])
    repository.seal(job_id)
    repository.close_if_finished(job_id)
    return job_id


def _success(job_id: str, item_id: str) -> Success:
    return Success(
        item_id=item_id, width=_SIDE, height=_SIDE, mask_key=keys.mask(job_id, item_id),
        probability_key=keys.probability(job_id, item_id), foreground=0.2, confidence=0.9, trust=0.9, model="0" * 64,
        threshold=0.5, preprocessing="standardise-v1", code_version="0", seconds=0.01,
    )  # fmt: skip


if __name__ == "__main__":
    command(__doc__, rows)
