"""Results scored against truths that came with their images, of whole images and in windows alike."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from shared.db.tables.jobs import ShardRow
from shared.flows.sources import Source
from shared.flows.submission import submit_images
from shared.images.codec import decode_mask, encode_mask
from shared.jobs.state import ItemStatus
from shared.store import keys
from tests.unit.worker.conftest import png
from worker import items

SHAPE = (96, 64)


@pytest.fixture(params=[2048**2, 100], ids=["whole", "windows"])
def _ways(request, monkeypatch):
    monkeypatch.setattr(items, "WHOLE_PIXELS", request.param)


def submitted(services, **truths: bytes | None) -> str:
    sources = [
        Source(f"{name}.png", lambda: png(*SHAPE), truth=None if truth is None else lambda truth=truth: truth)
        for name, truth in truths.items()
    ]
    return submit_images(services, sources, name="test", submitted_by="test")


def processed(services, pipeline, job_id: str) -> dict:
    with services.database.read() as connection:
        shard_id = connection.execute(select(ShardRow.id).where(ShardRow.job_id == job_id)).scalar_one()
    pipeline.process_shard(shard_id)
    return {item.path: item for item in services.repository.items(job_id, limit=9)}


@pytest.mark.usefixtures("_ways")
def test_a_result_is_scored_against_the_truth_that_came_with_it(services, make_pipeline):
    truth = np.zeros(SHAPE, bool)
    truth[10:60, 5:50] = True
    job_id = submitted(services, scored=encode_mask(truth), plain=None)
    found = processed(services, make_pipeline(), job_id)
    item = found["scored.png"]
    assert (item.state, item.error) == (ItemStatus.SUCCEEDED, None)
    assert item.truth_key == keys.truth(job_id, item.id)
    mask = decode_mask(services.store.get(item.mask_key))
    both, either = np.count_nonzero(mask & truth), np.count_nonzero(mask | truth)
    assert 0 < both < either
    assert item.iou == pytest.approx(both / either)
    assert item.dice == pytest.approx(2 * both / (both + either))
    assert (found["plain.png"].dice, found["plain.png"].truth_key) == (None, None)


@pytest.mark.usefixtures("_ways")
def test_a_truth_that_does_not_lie_on_its_image_fails_it_alone(services, make_pipeline):
    turned = np.zeros(SHAPE[::-1], bool)
    job_id = submitted(services, turned=encode_mask(turned), damaged=b"no image", right=encode_mask(turned.T))
    found = processed(services, make_pipeline(), job_id)
    assert {path: item.error_code for path, item in found.items()} == {
        "turned.png": "bad_truth", "damaged.png": "bad_truth", "right.png": None,
    }  # fmt: skip
    assert (
        found["turned.png"].error == "its truth is 96×64 px, the image 64×96 px: a mask of the image's size is needed"
    )
    scored = found["right.png"]
    assert scored.dice is not None
    assert services.repository.score_sums(job_id) == (1, scored.dice, scored.iou, scored.dice)


def test_nothing_is_scored_where_exif_turns_the_image(services, make_pipeline):
    picture, turned = BytesIO(), Image.Exif()
    turned[0x0112] = 3
    Image.open(BytesIO(png(*SHAPE))).save(picture, "PNG", exif=turned)
    truth = encode_mask(np.ones(SHAPE, bool))
    source = Source("a.png", picture.getvalue, truth=lambda: truth)
    job_id = submit_images(services, [source], name="test", submitted_by="test")
    (item,) = processed(services, make_pipeline(), job_id).values()
    assert (item.error_code, item.dice) == ("bad_truth", None)
    assert "shown turned" in item.error
