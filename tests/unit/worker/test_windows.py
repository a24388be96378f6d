"""Large images: in windows they become what they would as a whole."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from shared.db.tables.base import new_id
from shared.images.codec import decode_mask, decode_probability, encode_grey
from shared.images.notes import NoteCode, note_codes
from shared.images.resample import resample, scaled
from shared.images.scale import AUTO_SCALE
from shared.jobs.records import Item, NewItem
from shared.jobs.state import ItemStatus, JobKind
from shared.net.backends.contract import Answer
from shared.net.intake import Intake
from shared.services import Services
from shared.store import keys
from shared.synth import synthesise
from tests.corpus.tiffs import no_data
from tests.corpus.tiffs import tiff as written
from tests.unit.worker.conftest import BrightIsForeground, Submit
from worker import items
from worker.batcher import Tiles
from worker.pipeline import Pipeline

Make = Callable[..., Pipeline]


class Blurred(BrightIsForeground):
    """Probabilities that change from pixel to pixel, and with a tile's size a little, as a network's do."""

    def predict(self, tiles: Tiles) -> list[Answer]:
        self.batches.append(len(tiles))
        return [Answer(tile) for tile in np.clip(128 + 40 * tiles + tiles.shape[-1] / 512, 0, 255).astype(np.uint8)]


@pytest.fixture
def model() -> BrightIsForeground:
    return Blurred()


def tiff(pixels: NDArray[np.uint8], tile: tuple[int, int] | None) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, pixels, compression="zlib", tile=tile, rowsperstrip=None if tile else 100)
    return buffer.getvalue()


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(1300, 300), (200, 2500), (1100, 1100), (90, 80)])
@pytest.mark.parametrize("encode", [encode_grey, lambda image: tiff(image, (64, 128)), lambda image: tiff(image, None)])
def test_in_windows_an_image_becomes_what_it_does_as_a_whole(
    make_pipeline: Make,
    services: Services,
    submit: Submit,
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, int],
    encode: Callable[[NDArray[np.uint8]], bytes],
) -> None:
    data = encode(noise(*shape))
    pipeline = make_pipeline()
    whole = submit({"a.tif": data})
    pipeline.process_shard(whole.id)
    monkeypatch.setattr(items, "WHOLE_PIXELS", 50 * 50)
    windowed = submit({"a.tif": data})
    pipeline.process_shard(windowed.id)
    first, second = whole.items["a.tif"], windowed.items["a.tif"]
    assert second.state is ItemStatus.SUCCEEDED
    assert (second.height, second.width) == shape
    for name in ("foreground", "confidence", "trust"):
        assert getattr(second, name) == pytest.approx(getattr(first, name), abs=1e-4)
    (mask, levels), (other_mask, other_levels) = _results(services, first), _results(services, second)
    assert np.abs(levels - other_levels).max() <= 1.01 / 255
    assert (mask == other_mask).mean() > 0.9999
    assert other_levels.std() > 0.1


@pytest.mark.parametrize("scale", [0.5, 1.7])
@pytest.mark.parametrize("whole_pixels", [2048**2, 100])
def test_a_scaled_image_gets_results_of_its_own_size(
    make_pipeline: Make,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    scale: float,
    whole_pixels: int,
) -> None:
    monkeypatch.setattr(items, "WHOLE_PIXELS", whole_pixels)
    row, column = np.indices((300, 420))
    image = (127 + 100 * np.sin(row / 5) * np.sin(column / 5)).astype(np.uint8)
    job_id, shard_id = _scaled_job(services, encode_grey(image), scale)
    make_pipeline().process_shard(shard_id)
    (item,) = services.repository.items(job_id, limit=2)
    assert (item.height, item.width) == image.shape
    assert item.preprocessing == f"standardise-v2, scale {scale:g}"
    mask, probability = _results(services, item)
    assert mask.shape == probability.shape == image.shape
    standardised = (image - image.mean()) / image.std()
    assert np.abs(probability - np.clip(128 + 40 * standardised, 0, 255) / 255).max() < 0.05


@pytest.mark.parametrize("whole_pixels", [2048**2, 100])
@pytest.mark.parametrize(("factor", "scale"), [(0.25, ", scale 4"), (1.0, ""), (4.0, ", scale 0.25")])
def test_the_scale_of_an_image_can_be_chosen_by_the_spacing_of_its_dots(
    make_pipeline: Make,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    factor: float,
    scale: str,
    whole_pixels: int,
) -> None:
    monkeypatch.setattr(items, "WHOLE_PIXELS", whole_pixels)
    scene = synthesise(101, severity=0.0).image.astype(np.float32)
    image = np.rint(resample(scene, scaled(scene.shape, factor))).astype(np.uint8)
    job_id, shard_id = _scaled_job(services, encode_grey(image), AUTO_SCALE)
    make_pipeline().process_shard(shard_id)
    (item,) = services.repository.items(job_id, limit=2)
    assert (item.height, item.width) == image.shape
    assert item.preprocessing == f"standardise-v2{scale}"


def test_thirty_megapixels_go_through(make_pipeline: Make, services: Services, submit: Submit) -> None:
    image = np.tile(noise(500, 750), (10, 8))
    shard = submit({"large.tif": tiff(image, (512, 512))})
    make_pipeline().process_shard(shard.id)
    item = shard.items["large.tif"]
    assert (item.state, item.error) == (ItemStatus.SUCCEEDED, None)
    assert (item.height, item.width) == (5000, 6000)
    mask, probability = _results(services, item)
    assert mask.shape == (5000, 6000)
    assert item.foreground == pytest.approx(mask.mean(), abs=1e-6)
    # A function of the pixel alone, but for a level by the tile's size: no seam, no shift, nothing left out.
    assert np.abs(probability[:500, :750] - probability[2000:2500, 3000:3750]).max() <= 1.01 / 255


def test_one_over_the_limits_fails_with_the_reason(make_pipeline: Make, submit: Submit) -> None:
    shard = submit({"wide.png": encode_grey(noise(20, 7000))})
    make_pipeline().process_shard(shard.id)
    assert shard.items["wide.png"].error_code == "too_large"
    assert "the longest side accepted is 6000 px" in (shard.items["wide.png"].error or "")


def _results(services: Services, item: Item) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    mask, probability = (services.store.get(key or "") for key in (item.mask_key, item.probability_key))
    return decode_mask(mask), decode_probability(probability)


def _scaled_job(services: Services, data: bytes, scale: float) -> tuple[str, str]:
    job_id = services.repository.create_job(JobKind.IMAGES, name="test", submitted_by="test", scale=scale)
    item_id = new_id()
    key = keys.source(job_id, item_id, ".png")
    services.store.put(key, data)
    shard_id = services.repository.add_shard(job_id, [NewItem(id=item_id, path="a.png", source_key=key)])
    services.repository.seal(job_id)
    return job_id, shard_id


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("whole_pixels", [2048**2, 100], ids=["whole", "windows"])
def test_nothing_is_found_where_there_is_no_data(
    make_pipeline: Make,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    scale: float,
    whole_pixels: int,
) -> None:
    monkeypatch.setattr(items, "WHOLE_PIXELS", whole_pixels)
    image = noise(300, 420).astype(np.float32)
    missing = np.add.outer(np.arange(300), np.arange(420)) < 200  # a corner, which is no frame
    image[missing] = -9999
    job_id, shard_id = _scaled_job(services, written(image, tags=no_data("-9999"), rowsperstrip=64), scale)
    make_pipeline().process_shard(shard_id)
    (item,) = services.repository.items(job_id, limit=2)
    assert (item.error, item.note) == (None, None)
    mask, probability = _results(services, item)
    assert not mask[missing].any()
    assert not probability[missing].any()
    assert 0.4 < mask[~missing].mean() < 0.6  # as though the corner were not there
    if scale == 1.0:
        known = image[~missing]
        expected = np.clip(128 + 40 * (known - known.mean()) / known.std(), 0, 255) / 255
        assert np.abs(probability[~missing] - expected).max() < 0.02


@pytest.mark.parametrize("whole_pixels", [2048**2, 100], ids=["whole", "windows"])
def test_notes_of_a_file_reach_its_result(
    make_pipeline: Make, submit: Submit, monkeypatch: pytest.MonkeyPatch, whole_pixels: int
) -> None:
    monkeypatch.setattr(items, "WHOLE_PIXELS", whole_pixels)
    blank = np.zeros((90, 80), np.uint8)
    shard = submit(
        {
            "pages.tif": written(np.stack([noise(90, 80)] * 3)),
            "channels.tif": written(np.stack([blank, noise(90, 80)], -1), planarconfig="contig"),
            "constant.png": encode_grey(blank + 128),
            "blank-pages.tif": written(np.stack([blank, noise(90, 80)])),
            "plain.png": encode_grey(noise(90, 80)),
        }
    )
    make_pipeline().process_shard(shard.id)
    notes = {name: note_codes(item.note) for name, item in shard.items.items()}
    assert notes == {
        "pages.tif": (NoteCode.PAGES,),
        "channels.tif": (NoteCode.CHANNELS,),
        "constant.png": (NoteCode.CONSTANT,),
        "blank-pages.tif": (NoteCode.PAGES, NoteCode.CONSTANT),
        "plain.png": (),
    }
    assert shard.items["constant.png"].foreground == 0


class Coloured(Blurred):
    """Takes three channels, each of which counts differently."""

    def predict(self, tiles: Tiles) -> list[Answer]:
        if tiles.ndim == 3:  # grey: all of them alike
            return super().predict(tiles)
        return super().predict(np.einsum("nchw,c->nhw", tiles, np.float32([0.7, -0.4, 0.2])))


@pytest.mark.parametrize("model", [Coloured(intake=Intake(3))])
@pytest.mark.parametrize("shape", [(1300, 300), (90, 80)])
@pytest.mark.parametrize("kind", ["png", "tiles", "strips", "holes"])
def test_channels_too(
    make_pipeline: Make,
    services: Services,
    submit: Submit,
    monkeypatch: pytest.MonkeyPatch,
    model: BrightIsForeground,
    shape: tuple[int, int],
    kind: str,
) -> None:
    data = coloured(shape, kind)
    pipeline = make_pipeline()
    found = []
    for pixels in (items.WHOLE_PIXELS, 50 * 50):
        monkeypatch.setattr(items, "WHOLE_PIXELS", pixels)
        job = submit({"a.tif": data})
        pipeline.process_shard(job.id)
        (item,) = job.items.values()
        assert item.state is ItemStatus.SUCCEEDED, item.error
        found.append(decode_probability(services.store.get(keys.probability(job.job_id, item.id))))
    assert found[0].shape == shape
    assert found[0].std() > 0.05
    assert np.abs(found[0] - found[1]).max() <= 1.01 / 255
    if kind == "holes":
        assert not found[1][:10].any()


def coloured(shape: tuple[int, int], kind: str) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    buffer = BytesIO()
    if kind == "png":
        Image.fromarray(pixels).save(buffer, "PNG")
    elif kind == "holes":
        floats = pixels.astype(np.float32)
        floats[:10] = -9999
        tifffile.imwrite(buffer, floats, photometric="rgb", extratags=no_data("-9999"))
    else:
        tile = (64, 128) if kind == "tiles" else None
        tifffile.imwrite(buffer, pixels, photometric="rgb", tile=tile, rowsperstrip=None if tile else 100)
    return buffer.getvalue()
