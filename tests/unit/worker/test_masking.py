"""What is done to masks: small images and those in windows alike, with what is counted and said of them."""

from io import BytesIO

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from shared.images.codec import decode_levels, decode_mask, encode_grey
from shared.images.probabilities import foreground_from
from shared.jobs.state import ItemStatus
from shared.objects import runs
from shared.objects.options import PostProcessing
from shared.objects.processing import applied
from shared.pixel_size import PixelSize
from shared.services import Services
from tests.unit.worker.conftest import BrightIsForeground, Submit
from worker import items
from worker.pipeline import Pipeline

WAYS = ["whole", "windows"]
EACH = ["smooth=2", "fill-holes", "min-area=40", "keep-largest", "smooth=1 fill-holes min-area=40 keep-largest"]


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """Bright: a ring, a disc, a bar across several windows, and specks of one pixel."""
    row, column = np.indices((height, width))
    radius = np.hypot(row - 60, column - 70)
    bright = ((radius > 20) & (radius < 40)) | (np.hypot(row - 140, column - 150) < 12)
    bright[100:104, 160 : width - 10] = True
    bright |= np.random.default_rng(0).random(bright.shape) > 0.999
    return np.where(bright, np.uint8(220), np.uint8(20))


@pytest.fixture(params=WAYS)
def shape(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    if request.param == "windows":
        monkeypatch.setattr(items, "WHOLE_PIXELS", 50 * 50)
    return (200, 700)


def objects_of(mask: NDArray[np.bool_]) -> int:
    return int(ndimage.label(mask, np.ones((3, 3)))[1])


@pytest.mark.parametrize("asked", ["", *EACH])
def test_the_stored_mask_is_what_was_asked_for(
    services: Services, pipeline: Pipeline, submit: Submit, shape: tuple[int, int], asked: str
) -> None:
    shard = submit({"a.png": encode_grey(picture(*shape))}, postprocessing=asked)
    pipeline.process_shard(shard.id)
    item = shard.items["a.png"]
    assert (item.state, item.error) == (ItemStatus.SUCCEEDED, None)
    levels = decode_levels(services.store.get(item.probability_key or ""))
    mask = decode_mask(services.store.get(item.mask_key or ""))
    plain = levels >= foreground_from(0.5)
    processing = PostProcessing.parse(asked)
    np.testing.assert_array_equal(mask, applied(processing, plain))
    assert (mask != plain).any() == bool(asked)
    assert item.postprocessing == (asked or None)
    # All that is told of the mask is told of the one that is stored.
    assert (item.objects, item.area) == (objects_of(mask), mask.sum())
    assert item.foreground == pytest.approx(mask.mean())
    if processing.keep_largest:
        assert item.objects == 1


def test_a_mask_too_ragged_to_tell_its_objects_apart_fails_alone(
    services: Services, pipeline: Pipeline, submit: Submit, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MAX_RUNS", 300)
    plain = np.full(shape, 20, np.uint8)
    plain[50:90, 50:90] = 220
    sources = {"a.png": encode_grey(picture(*shape)), "b.png": encode_grey(plain)}
    shard = submit(sources, postprocessing="fill-holes")
    pipeline.process_shard(shard.id)
    ragged, fine = shard.items["a.png"], shard.items["b.png"]
    assert (ragged.state, ragged.error_code) == (ItemStatus.FAILED, "mask_too_ragged")
    assert "segment with --smooth" in (ragged.error or "")
    assert ragged.mask_key is None
    assert (fine.state, fine.objects) == (ItemStatus.SUCCEEDED, 1)
    # Smoothed, as the error says, it has fewer runs; without anything to be done, objects are counted by the way.
    for asked in ("smooth=2 fill-holes", ""):
        again = submit(sources, postprocessing=asked)
        pipeline.process_shard(again.id)
        assert again.items["a.png"].state is ItemStatus.SUCCEEDED


def test_what_a_later_version_asks_for_stays_for_a_worker_that_can_do_it(
    pipeline: Pipeline, submit: Submit, model: BrightIsForeground, caplog: pytest.LogCaptureFixture
) -> None:
    shard = submit({"a.png": encode_grey(picture(200, 200))}, postprocessing="fill-holes split-touching=3")
    with caplog.at_level("WARNING"):
        pipeline.process_shard(shard.id)
    assert "update the worker" in caplog.text
    item = shard.items["a.png"]
    assert (item.state.is_final, item.mask_key, model.batches) == (False, None, [])


def test_a_size_that_was_said_goes_before_that_of_the_file(
    pipeline: Pipeline, submit: Submit, shape: tuple[int, int]
) -> None:
    buffer = BytesIO()
    physical = {"PhysicalSizeX": 0.65, "PhysicalSizeY": 0.5}
    tifffile.imwrite(buffer, picture(*shape), ome=True, metadata={"axes": "YX", **physical})
    file = buffer.getvalue()
    for said, of_image, expected in (
        (None, {}, (0.65, 0.5)),
        (PixelSize(2.0, 3.0), {"pixel_size": ""}, (2.0, 3.0)),
        (PixelSize(2.0, 3.0), {"well": "A1", "Pixel_Size": "325nm"}, (0.325, 0.325)),
        (None, {"pixel_size": "as told by the microscope"}, (0.65, 0.5)),
    ):
        shard = submit({"a.tif": file}, pixel_size=said, described=of_image)
        pipeline.process_shard(shard.id)
        item = shard.items["a.tif"]
        assert (item.pixel_width_um, item.pixel_height_um) == expected
        assert item.area_um2 == pytest.approx((item.area or 0) * expected[0] * expected[1])
