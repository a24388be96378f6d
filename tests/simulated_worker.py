"""A worker without a network: real claims and real objects, masks made from the truth (or of the bright pixels)."""

from collections.abc import Iterator

import numpy as np
from sqlalchemy import select

from shared.db.tables.jobs import ShardRow
from shared.errors import ImageError
from shared.images.codec import DecodeLimits, decode, encode_grey, encode_mask, encode_probability
from shared.images.heatmap import display_grey
from shared.images.metrics import Overlap
from shared.jobs.records import ClaimedItem, Failure, Outcome
from shared.services import Services
from shared.store import keys
from shared.synth import synthesise
from tests.expected_dice import expected_dice
from tests.outcomes import success

NAME = "simulated:1"
MODEL = "5e" * 32
LIMITS = DecodeLimits(min_side=16, max_side=4096)


def process(services: Services, job_id: str) -> int:
    """Finish all items of a job and the job itself; returns how many items there were."""
    return sum(1 for _ in process_one_by_one(services, job_id))


def process_one_by_one(services: Services, job_id: str) -> Iterator[str]:
    """Yields the id of each item as it is finished; ends the job after the last."""
    with services.database.read() as connection:
        query = select(ShardRow.id).where(ShardRow.job_id == job_id).order_by(ShardRow.number)
        shards = connection.execute(query).scalars().all()
    for shard in shards:
        claim = services.claims.claim(shard, worker=NAME)
        for item in claim.items if claim else ():
            services.claims.complete(claim, [outcome(services, item)])
            yield item.id
    services.repository.close_if_finished(job_id)


def outcome(services: Services, item: ClaimedItem) -> Outcome:
    """Store the objects of an item's result and return the result."""
    truth = None
    synthetic: dict[str, object] = {}
    if item.synthesis:
        sample = synthesise(**item.synthesis)
        grey, truth = sample.image, sample.mask
        synthetic = {
            "source_key": keys.source(item.job_id, item.id, ".png"),
            "truth_key": keys.truth(item.job_id, item.id),
        }
        services.store.put(keys.source(item.job_id, item.id, ".png"), encode_grey(grey))
        services.store.put(keys.truth(item.job_id, item.id), encode_mask(truth))
    else:
        try:
            grey = display_grey(decode(services.store.get(item.source_key or ""), limits=LIMITS).pixels)
        except ImageError as error:
            return Failure(item.id, error.code, str(error), seconds=0.01)
    mask = grey > 128 if truth is None else np.roll(truth, 3, axis=1)
    probability = np.where(mask, 240, 10).astype(np.uint8)
    services.store.put(keys.mask(item.job_id, item.id), encode_mask(mask))
    services.store.put(keys.probability(item.job_id, item.id), encode_probability(probability))
    if truth is not None:
        found = Overlap.of(mask, truth)
        synthetic |= {"dice": found.dice, "iou": found.iou, "precision": found.precision, "recall": found.recall}
    return success(
        item.id,
        width=grey.shape[1],
        height=grey.shape[0],
        mask_key=keys.mask(item.job_id, item.id),
        probability_key=keys.probability(item.job_id, item.id),
        foreground=float(mask.mean()),
        confidence=0.94,
        trust=expected_dice(probability / np.float32(255), mask),
        model=MODEL,
        seconds=0.25,
        **synthetic,
    )
