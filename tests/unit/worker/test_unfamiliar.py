"""Results with quality and familiarity, and what becomes of the unfamiliar."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from shared.db.measurements import NEED_SCORES
from shared.images.codec import encode_grey
from shared.jobs.records import Finding, Mark, Marks, Unfamiliar
from shared.jobs.state import ItemStatus
from shared.net.backends.contract import Answer
from shared.store import keys
from tests.unit.net.fitted import SCORES
from tests.unit.net.test_familiarity import blocks
from tests.unit.worker.conftest import BrightIsForeground, png
from worker import items, metrics
from worker.batcher import Tiles


class Fitted(BrightIsForeground):
    """Of a picture that is half white, features that nobody has seen, and the strangest at the top right."""

    def predict(self, tiles: Tiles) -> list[Answer]:
        answers = super().predict(tiles)
        strange = [np.mean(tile == tile.max()) > 0.25 for tile in tiles]
        rows, columns = (side // 256 for side in tiles.shape[1:])
        return [
            replace(answer, features=_strange(rows, columns) if is_strange else blocks(rows, columns, 2.0))
            for answer, is_strange in zip(answers, strange, strict=True)
        ]


def _strange(rows: int, columns: int) -> tuple[np.ndarray, ...]:
    features = blocks(rows, columns, 40.0)
    for depth, stranger in zip(features, blocks(rows, columns, 80.0), strict=True):
        depth[:, :1, -2:] = stranger[:, :1, -2:]
    return features


@pytest.fixture
def model() -> BrightIsForeground:
    return Fitted(scores=SCORES)


def snow(height: int, width: int) -> bytes:
    """Half of the pixels white, at random."""
    return encode_grey(np.random.default_rng(0).choice(np.array([0, 200], np.uint8), (height, width)))


def count(mark: Mark) -> float:
    return metrics.MARKED.labels(mark.value)._value.get()


def test_a_familiar_result_has_its_three_numbers_and_no_reason(pipeline, submit):
    shard = submit({"a.png": png(512, 512)})
    pipeline.process_shard(shard.id)
    item = shard.items["a.png"]
    assert item.state is ItemStatus.SUCCEEDED
    assert item.finding is Finding.FOUND
    assert item.quality_low < item.quality <= 1
    assert item.familiarity > 0.02
    assert (item.marks, item.reason, item.reason_place) == ((), None, None)


def test_an_unfamiliar_one_is_flagged_with_a_reason_and_counted(services, pipeline, submit):
    before = count(Mark.UNFAMILIAR)
    shard = submit({"a.png": png(512, 512), "b.png": snow(512, 512)})
    pipeline.process_shard(shard.id)
    item = shard.items["b.png"]
    assert item.state is ItemStatus.SUCCEEDED
    assert item.familiarity < 0.001
    assert item.marks == (Mark.UNFAMILIAR,)
    assert item.reason == "saturated"  # half of it is of one white
    assert services.repository.marks(shard.job_id) == Marks(0, 1, {"saturated": 1})
    assert [each.path for each in services.repository.items(shard.job_id, limit=9, mark=Mark.UNFAMILIAR)] == ["b.png"]
    assert count(Mark.UNFAMILIAR) == before + 1


@pytest.mark.parametrize("whole_pixels", [2048**2, 100])
def test_of_a_large_image_the_strangest_place_is_named(pipeline, submit, monkeypatch, whole_pixels):
    monkeypatch.setattr(items, "WHOLE_PIXELS", whole_pixels)
    shard = submit({"b.png": snow(700, 1000)})
    pipeline.process_shard(shard.id)
    item = shard.items["b.png"]
    assert item.marks == (Mark.UNFAMILIAR,)
    assert item.reason_place == "x 500, y 0, 512 px a side"


@pytest.mark.parametrize("whole_pixels", [2048**2, 100])
def test_a_job_that_refuses_the_unfamiliar_fails_them_with_their_reason(
    services, pipeline, submit, monkeypatch, whole_pixels
):
    monkeypatch.setattr(items, "WHOLE_PIXELS", whole_pixels)
    shard = submit({"a.png": png(512, 512), "b.png": snow(512, 512)}, unfamiliar=Unfamiliar.REFUSE)
    pipeline.process_shard(shard.id)
    familiar, refused = shard.items["a.png"], shard.items["b.png"]
    assert familiar.state is ItemStatus.SUCCEEDED
    assert (refused.state, refused.error_code) == (ItemStatus.FAILED, "unfamiliar")
    assert "pure white" in refused.error
    assert refused.mask_key is None
    assert not services.store.exists(keys.mask(shard.job_id, refused.id))
    assert services.repository.marks(shard.job_id) == Marks()


def test_notes_are_counted_by_kind(services, pipeline, submit):
    before = count(Mark.NOTED)
    pages = BytesIO()
    tifffile.imwrite(pages, np.stack([np.asarray(Image.open(BytesIO(png(64, 64))))] * 3), photometric="minisblack")
    shard = submit({"a.tif": pages.getvalue(), "b.png": png(64, 64)})
    pipeline.process_shard(shard.id)
    assert Mark.NOTED in shard.items["a.tif"].marks
    assert Mark.NOTED not in shard.items["b.png"].marks
    assert services.repository.marks(shard.job_id).noted == 1
    assert services.repository.notes(shard.job_id) == {"pages": 1}
    assert [each.path for each in services.repository.items(shard.job_id, limit=9, mark=Mark.NOTED)] == ["a.tif"]
    assert count(Mark.NOTED) == before + 1


def test_a_constant_image_found_nothing_and_says_why(services, pipeline, submit):
    before = count(Mark.NOTHING_FOUND)
    shard = submit({"a.png": encode_grey(np.full((100, 90), 7, np.uint8))})
    pipeline.process_shard(shard.id)
    item = shard.items["a.png"]
    assert item.state is ItemStatus.SUCCEEDED
    assert item.finding is Finding.NOTHING
    assert Mark.NOTHING_FOUND in item.marks
    assert item.reason == "constant"
    assert services.repository.marks(shard.job_id).nothing_found == 1
    assert count(Mark.NOTHING_FOUND) == before + 1


class TestWithoutFittedScores:
    @pytest.fixture
    def model(self) -> BrightIsForeground:
        return Fitted()

    @pytest.mark.parametrize("policy", Unfamiliar)
    def test_nothing_is_known_and_nothing_is_refused(self, pipeline, submit, policy):
        shard = submit({"b.png": snow(512, 512)}, unfamiliar=policy)
        pipeline.process_shard(shard.id)
        item = shard.items["b.png"]
        assert item.state is ItemStatus.SUCCEEDED
        assert {getattr(item, name) for name in NEED_SCORES} == {None}
        assert (item.marks, item.reason) == ((), None)
        assert item.finding is Finding.FOUND
