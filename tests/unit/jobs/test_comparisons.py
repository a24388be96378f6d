"""Comparisons of two jobs, on SQLite and PostgreSQL."""

import numpy as np
import pytest

from shared.db.database import Database
from shared.errors import ImageError
from shared.images.agreement import agreement
from shared.images.codec import encode_mask
from shared.jobs.claims import Claims
from shared.jobs.comparisons import Changes, Compared, Comparison
from tests.outcomes import all_succeed
from tests.unit.conftest import MakeJob


@pytest.fixture
def comparison(database: Database, claims: Claims, make_job: MakeJob) -> Comparison:
    """Two jobs over the same eight paths, of which the second has results of the first five alone, so far."""
    jobs = []
    for done in (2, 1):
        job, shards = make_job(5, 3)
        for shard in shards[:done]:
            claim = claims.claim(shard, worker="w")
            assert claim is not None
            claims.complete(claim, all_succeed(claim))
        jobs.append((job, shards))
    comparison = Comparison(database, jobs[0][0], jobs[1][0])
    comparison.rest = jobs[1][1][1]
    return comparison


def compare(comparison: Comparison, agreements: dict[int, float | None]) -> None:
    found = [
        Compared(pair.item_a, pair.item_b, pair.number, agreements[pair.number], 10 * (pair.number > 0), 10)
        for pair in comparison.waiting(9)
        if pair.number in agreements
    ]
    comparison.keep(found)


def test_pairs_are_compared_once_and_shown_worst_first(comparison: Comparison, claims: Claims) -> None:
    assert comparison.total() == 5
    assert [pair.number for pair in comparison.waiting(2)] == [0, 1]
    assert comparison.waiting(1)[0].mask_a != comparison.waiting(1)[0].mask_b
    compare(comparison, {0: 0.5, 1: 1.0, 3: 0.2})  # number 2 was passed over
    assert [pair.number for pair in comparison.waiting(9)] == [4]
    compare(comparison, {4: None})
    assert [pair.number for pair in comparison.waiting(9)] == [2]
    compare(comparison, {2: 0.5})
    assert comparison.waiting(9) == []

    page = comparison.page(9)
    assert [(pair.number, pair.agreement) for pair in page] == [(4, None), (3, 0.2), (0, 0.5), (2, 0.5), (1, 1.0)]
    assert page[1].path == "0/3.png"
    assert comparison.page(2, after=(0.5, 0)) == page[3:]
    assert comparison.pair(page[2].item_a, page[2].item_b) == page[2]
    assert comparison.pair(page[2].item_a, page[1].item_b) is None
    assert [comparison.neighbours(pair) for pair in page] == [
        (None, page[1]), (page[0], page[2]), (page[1], page[3]), (page[2], page[4]), (page[3], None),
    ]  # fmt: skip
    changes = comparison.changes()
    assert changes == Changes(
        compared=5, not_comparable=1, mean=pytest.approx(0.55), differing=3, identical=1, appeared=1, vanished=0
    )

    # What comes about later is compared then; what was, stays as it is.
    claim = claims.claim(comparison.rest, worker="w")
    assert claim is not None
    claims.complete(claim, all_succeed(claim))
    assert [pair.number for pair in comparison.waiting(9)] == [5, 6, 7]
    comparison.keep([Compared(page[1].item_a, page[1].item_b, 3, 0.9, 1, 1)])
    assert comparison.page(9) == page


def test_two_masks_are_compared_in_bands() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.random((600, 40)) < share for share in (0.3, 0.5))
    found = agreement(encode_mask(first), encode_mask(second))
    assert found == (first.sum(), second.sum(), (first & second).sum())
    assert found.dice == pytest.approx(2 * (first & second).sum() / (first.sum() + second.sum()))
    empty = encode_mask(np.zeros((600, 40), dtype=bool))
    assert agreement(empty, empty).dice == 1.0
    for other in (first[:, :39], first[:256], first[:599]):
        with pytest.raises(ImageError, match="differ in size"):
            agreement(encode_mask(first), encode_mask(other))
