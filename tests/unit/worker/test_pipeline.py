from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from shared.images.codec import decode_mask, decode_probability
from shared.images.isolated import Decoders
from shared.jobs.claims import Claims
from shared.jobs.state import ItemCounts, ItemStatus, JobStatus
from shared.store import keys
from tests.unit.images import misbehaving_decoder as misbehaving
from tests.unit.worker.conftest import LIMITS, bright, png


def test_a_result_has_the_size_of_its_image_and_says_where_it_comes_from(services, pipeline, submit, model):
    shard = submit({"a.png": png(300, 416)})
    pipeline.process_shard(shard.id)
    item = shard.items["a.png"]
    mask = decode_mask(services.store.get(item.mask_key))
    probability = decode_probability(services.store.get(item.probability_key))
    expected = bright(300, 416)
    assert np.array_equal(mask, expected)
    assert np.allclose(probability, np.where(expected, 0.8, 0.2))
    assert (item.state, item.width, item.height, item.attempts) == (ItemStatus.SUCCEEDED, 416, 300, 1)
    assert item.mask_key == keys.mask(shard.job_id, item.id)
    assert item.foreground == pytest.approx(expected.mean())
    assert item.confidence == pytest.approx(0.8)
    share = expected.mean()
    assert item.trust == pytest.approx(2 * 0.8 * share / (0.8 * share + 0.2 * (1 - share) + share))
    assert (item.model, item.threshold, item.preprocessing) == (model.sha256, 0.5, "standardise-v2")
    assert item.code_version
    assert item.device == "a device, float32"
    assert item.worker == "test-1"
    assert item.seconds > 0
    assert services.repository.job(shard.job_id).state is JobStatus.SUCCEEDED


@pytest.mark.parametrize(("height", "width"), [(64, 96), (2100, 2064)])
def test_the_channel_of_a_job_is_the_one_that_is_segmented(services, make_pipeline, submit, height, width):
    """Both as a whole and in windows."""
    flat = np.full((height, width), 20, np.uint8)
    colours = np.dstack([flat, np.where(bright(height, width), np.uint8(200), np.uint8(20)), flat])
    file = BytesIO()
    Image.fromarray(colours).save(file, "PNG")
    shard = submit({"a.png": file.getvalue(), "grey.png": png(64, 96)}, channel="green")
    decoders = Decoders(LIMITS, seconds=60, processes=1)
    make_pipeline(decode=decoders.decode).process_shard(shard.id)
    decoders.close()
    taken, grey = shard.items["a.png"], shard.items["grey.png"]
    assert np.array_equal(decode_mask(services.store.get(taken.mask_key)), bright(height, width))
    assert taken.preprocessing.endswith(", channel green")
    assert taken.note is None
    assert (grey.error_code, grey.error) == (
        "no_such_channel",
        "no green channel: the picture is not RGB, it has 1 channel",
    )


def test_a_large_image_goes_through_in_tiles_with_few_of_them_in_flight(services, make_pipeline, submit, model):
    pipeline = make_pipeline(tiles_in_flight=2)
    shard = submit({"large.png": png(1500, 2000)})
    pipeline.process_shard(shard.id)
    mask = decode_mask(services.store.get(shard.items["large.png"].mask_key))
    assert mask.shape == (1500, 2000)
    assert np.array_equal(mask, bright(1500, 2000))
    assert sum(model.batches) == 2 * 3
    assert max(model.batches) <= 2


def test_images_larger_than_the_memory_budget_still_go_through(services, make_pipeline, submit):
    pipeline = make_pipeline(pixels=1000)
    shard = submit({f"{number}.png": png(64, 64) for number in range(6)})
    pipeline.process_shard(shard.id)
    assert services.repository.job(shard.job_id).counts == ItemCounts(succeeded=6)


def test_bad_images_fail_with_their_reason_and_their_neighbours_succeed(services, pipeline, submit):
    shard = submit(
        {
            "good.png": png(64, 64),
            "text.png": b"these are words",
            "empty.png": b"",
            "cut.png": png(64, 64)[:60],
            "small.png": png(8, 64),
            "gone.png": None,
            "other.png": png(32, 32),
        }
    )
    pipeline.process_shard(shard.id)
    codes = {path: item.error_code for path, item in shard.items.items()}
    assert codes == {
        "good.png": None,
        "text.png": "not_an_image",
        "empty.png": "empty_file",
        "cut.png": "truncated",
        "small.png": "too_small",
        "gone.png": "source_missing",
        "other.png": None,
    }
    assert all("\n" not in item.error for item in shard.items.values() if item.error)
    assert services.repository.job(shard.job_id).state is JobStatus.PARTIAL


def test_an_image_that_crashes_or_kills_its_decoder_does_no_harm_to_others(services, make_pipeline, submit):
    decoders = Decoders(LIMITS, seconds=60, processes=2, module=misbehaving.__name__)
    pipeline = make_pipeline(decode=decoders.decode)
    crashing, oversized = png(20, misbehaving.SEGFAULT), png(20, misbehaving.MEMORY)
    shard = submit(
        {f"{number}.png": png(64, 64) for number in range(6)} | {"crash.png": crashing, "oversized.png": oversized}
    )
    pipeline.process_shard(shard.id)
    items = shard.items
    assert (items["crash.png"].error_code, items["oversized.png"].error_code) == ("decoder_crashed", "decode_memory")
    assert items["crash.png"].attempts == 1
    assert services.repository.job(shard.job_id).counts == ItemCounts(succeeded=6, failed=2)
    decoders.close()


def test_a_synthetic_item_is_generated_stored_and_scored(services, pipeline, submit):
    shard = submit({"s.png": {"seed": 7, "num_dots": 40, "jitter": 0.01, "severity": 0.0, "noise": "gaussian"}})
    pipeline.process_shard(shard.id)
    item = shard.items["s.png"]
    assert item.state is ItemStatus.SUCCEEDED, item.error
    mask, truth = (decode_mask(services.store.get(key)) for key in (item.mask_key, keys.truth(shard.job_id, item.id)))
    assert item.truth_key == keys.truth(shard.job_id, item.id)
    assert services.store.exists(item.source_key)
    both, either = np.count_nonzero(mask & truth), np.count_nonzero(mask | truth)
    assert item.iou == pytest.approx(both / either)
    assert item.dice == pytest.approx(2 * both / (both + either))
    assert item.precision == pytest.approx(both / np.count_nonzero(mask))
    assert item.recall == pytest.approx(both / np.count_nonzero(truth))


def test_a_defect_fails_its_own_item_and_names_the_kind_of_error(services, pipeline, submit, monkeypatch, caplog):
    def encode_badly(mask: np.ndarray) -> bytes:
        if mask.shape == (40, 40):
            raise ZeroDivisionError("inside")
        return b"mask"

    monkeypatch.setattr("worker.items.encode_mask", encode_badly)
    shard = submit({"bad.png": png(40, 40), "good.png": png(64, 64)})
    pipeline.process_shard(shard.id)
    bad = shard.items["bad.png"]
    assert (bad.state, bad.error_code) == (ItemStatus.FAILED, "internal")
    assert bad.error == "a defect in the worker (ZeroDivisionError): see its log"
    assert "Traceback" in caplog.text
    assert shard.items["good.png"].state is ItemStatus.SUCCEEDED


def test_the_window_of_hints_is_filled_after_a_shard(services, pipeline, submit):
    pipeline.process_shard(submit({"a.png": png(64, 64)}).id)
    assert services.dispatcher.fills == 1


def test_a_shard_without_work_or_unknown_is_nothing(services, pipeline, submit):
    shard = submit({"a.png": png(64, 64)})
    pipeline.process_shard(shard.id)
    before = shard.items
    pipeline.process_shard(shard.id)  # the message came twice
    pipeline.process_shard("00000000-0000-0000-0000-000000000000")
    assert shard.items == before


def test_quarantined_images_run_alone_and_one_at_a_time(services, pipeline, submit, monkeypatch):
    shard = submit({f"{number}.png": png(64, 64) for number in range(4)})
    crashed = Claims(services.database, lease_seconds=-1, max_attempts=3)
    assert len(crashed.claim(shard.id, worker="dead").items) == 4
    crashed.expire()
    claimed: list[tuple[int, bool]] = []
    real = Claims.claim

    def claim(self: Claims, *args: object, **options: object) -> object:
        found = real(self, *args, **options)
        if found:
            claimed.append((len(found.items), bool(options.get("quarantined"))))
        return found

    monkeypatch.setattr(Claims, "claim", claim)
    pipeline.process_shard(shard.id)
    assert claimed == [(1, True)] * 4
    assert services.repository.job(shard.job_id).counts == ItemCounts(succeeded=4)
