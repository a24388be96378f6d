"""Jobs with real objects beside their rows."""

import numpy as np
from sqlalchemy import select

from shared.db.database import Database
from shared.db.tables.base import new_id
from shared.db.tables.jobs import ItemRow
from shared.images.codec import encode_grey, encode_mask, encode_probability
from shared.jobs.claims import Claims
from shared.jobs.records import NewItem, Success
from shared.jobs.repository import Repository
from shared.jobs.state import JobKind
from shared.store import ObjectStore, keys
from tests.outcomes import failure, success

HEIGHT, WIDTH = 20, 30
SOURCE = encode_grey(np.zeros((HEIGHT, WIDTH), np.uint8))
MASK = encode_mask(np.zeros((HEIGHT, WIDTH), bool))
PROBABILITY = encode_probability(np.zeros((HEIGHT, WIDTH), np.uint8))


def submit(repository: Repository, store: ObjectStore, *sizes: int, seal: bool = True) -> str:
    """A job with shards of these sizes, its sources stored."""
    job_id = repository.create_job(JobKind.IMAGES, name="n", submitted_by="t")
    for shard, size in enumerate(sizes):
        items = []
        for number in range(size):
            item = new_id()
            key = keys.source(job_id, item, ".png")
            store.put(key, SOURCE)
            path = f"{shard}/{number}.png"
            items.append(NewItem(id=item, path=path, source_key=key, source_bytes=len(SOURCE)))
        repository.add_shard(job_id, items)
    if seal:
        repository.seal(job_id)
    return job_id


def succeeded(store: ObjectStore, job_id: str, item: str) -> Success:
    """Store an item's result; return the outcome that says so."""
    mask, probability = keys.mask(job_id, item), keys.probability(job_id, item)
    store.put(mask, MASK)
    store.put(probability, PROBABILITY)
    return success(item, width=WIDTH, height=HEIGHT, mask_key=mask, probability_key=probability)


def finish(repository: Repository, claims: Claims, store: ObjectStore, job_id: str, *, failing: int = 0) -> list[str]:
    """End all items of the job, the first of each shard as failed; return their ids by number."""
    for shard_id in shards_of(repository.database, job_id):
        claim = claims.claim(shard_id, worker="w")
        assert claim is not None
        ids = [item.id for item in claim.items]
        claims.complete(
            claim, [failure(item) if n < failing else succeeded(store, job_id, item) for n, item in enumerate(ids)]
        )
    repository.close_if_finished(job_id)
    return [item.id for item in repository.items(job_id, limit=1000)]


def shards_of(database: Database, job_id: str) -> list[str]:
    """The ids of a job's shards, by number."""
    query = select(ItemRow.shard_id, ItemRow.number).where(ItemRow.job_id == job_id).order_by(ItemRow.number)
    with database.read() as connection:
        return list(dict.fromkeys(row.shard_id for row in connection.execute(query)))
