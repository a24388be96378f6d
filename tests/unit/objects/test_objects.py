"""Objects of masks against scikit-image, whole and in bands, and what follows from known shapes."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.measure import label, regionprops

from shared.errors import UsageError
from shared.objects import runs as runs_module
from shared.objects.components import ObjectCounter, count_objects
from shared.objects.objects import Box, Objects
from shared.objects.runs import Runs
from shared.objects.table import OBJECT_COLUMNS, measured, rows, written
from shared.pixel_size import PixelSize


def blobs(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 60, 2)
    noise = ndimage.gaussian_filter(rng.normal(size=(height, width)), rng.uniform(0, 2))
    return noise > rng.uniform(-0.1, 0.1)


def bands(array: np.ndarray, rows: int = 7) -> list[np.ndarray]:
    return [array[top : top + rows] for top in range(0, len(array), rows)]


MASKS = [
    *map(blobs, range(25)),
    np.zeros((5, 9), dtype=bool),
    np.ones((5, 9), dtype=bool),
    np.ones((1, 1), dtype=bool),
    np.eye(9, dtype=bool),
    np.indices((8, 11)).sum(0) % 2 == 0,  # a checkerboard is one object of 8-connectivity
    np.arange(12 * 31).reshape(12, 31) % 31 % 2 + (np.indices((12, 31))[0] == 11) > 0,  # a comb, joined below
]


@pytest.mark.parametrize("mask", MASKS, ids=range(len(MASKS)))
def test_objects_are_those_of_scikit_image(mask):
    expected = label(mask, connectivity=2)
    counter = ObjectCounter()
    for band in bands(mask):
        counter.add(band)

    objects = Objects.of(mask)

    assert np.array_equal(objects.labels(), expected)
    assert np.array_equal(Objects.of_bands(bands(mask)).labels(), expected)
    assert np.array_equal(objects.runs.mask(), mask)
    assert np.array_equal(objects.runs.background().mask(), ~mask)
    assert counter.count == count_objects(mask) == len(objects) == expected.max()


@pytest.mark.parametrize("mask", MASKS, ids=range(len(MASKS)))
def test_measurements_are_those_of_scikit_image(mask):
    labels = label(mask, connectivity=2)
    levels = np.random.default_rng(0).integers(0, 256, mask.shape, dtype=np.uint8)

    objects = Objects.of(mask)
    table = list(rows(measured(objects, bands(levels), None)))

    for region, row, one in zip(regionprops(labels), table, objects, strict=True):
        box = one.box
        assert region.bbox == (box.top, box.left, box.top + box.height, box.left + box.width)
        assert (row["left"], row["top"], row["width"], row["height"]) == (box.left, box.top, box.width, box.height)
        assert np.array_equal(one.mask(), region.image)
        assert (row["object"], row["area_px"]) == (region.label, region.area)
        assert row["holes"] == 1 - region.euler_number
        approximately = {
            "y_px": region.centroid[0],
            "x_px": region.centroid[1],
            "perimeter_px": region.perimeter_crofton,
            "major_px": region.axis_major_length,
            "minor_px": region.axis_minor_length,
            "eccentricity": region.eccentricity,
            "solidity": region.area / hull_area(labels == region.label),
            "mean_probability": levels[labels == region.label].mean() / 255,
            "confidence": own_confidence(labels == region.label, levels),
        }
        assert {name: row[name] for name in approximately} == pytest.approx(approximately, abs=1e-6)
        top, left, bottom, right = region.bbox
        assert row["touches_border"] == (top == 0 or left == 0 or bottom == len(mask) or right == mask.shape[1])


def hull_area(mask: np.ndarray) -> float:
    rows, columns = np.nonzero(mask)
    corners = [np.stack([columns + x, rows + y], axis=1) for x in (0, 1) for y in (0, 1)]
    return float(ConvexHull(np.concatenate(corners)).volume)


def own_confidence(mask: np.ndarray, levels: np.ndarray) -> float:
    near = ndimage.binary_dilation(mask, np.ones((7, 7)))
    probabilities = levels / 255
    return 2 * probabilities[mask].sum() / (probabilities[near].sum() + mask.sum())


def test_bands_of_the_map_may_be_of_any_height():
    mask, levels = blobs(3), np.random.default_rng(1).integers(0, 256, blobs(3).shape, dtype=np.uint8)
    objects = Objects.of(mask)

    whole = objects.likelihood([levels])

    for height in (1, 2, 5):
        by_band = objects.likelihood(bands(levels, height))
        assert np.array_equal(by_band.confidence, whole.confidence)
        assert np.array_equal(by_band.mean, whole.mean)


def test_a_ring_in_micrometres():
    rows_, columns = np.indices((200, 200)) - 100.0
    radius = np.hypot(rows_, columns)

    (row,) = rows(measured(Objects.of((radius < 80) & (radius > 30)), None, PixelSize(0.5, 0.5)))

    assert row["area_um2"] == pytest.approx(np.pi * (40**2 - 15**2), rel=0.01)
    assert row["perimeter_um"] == pytest.approx(2 * np.pi * (40 + 15), rel=0.02)
    assert (row["x_um"], row["y_um"], row["holes"], row["touches_border"]) == (50, 50, 1, False)
    assert row["major_um"] == row["minor_um"] == pytest.approx(2 * np.hypot(40, 15), rel=0.01)
    assert row["mean_probability"] is row["confidence"] is None


def test_pixels_that_are_not_square():
    """A disc of 60 µm across, seen with pixels of 0.5 × 1.5 µm, measures as a disc."""
    y, x = np.indices((60, 180)) * np.array([1.5, 0.5])[:, None, None] - 45
    (row,) = rows(measured(Objects.of(np.hypot(x, y) < 30), None, PixelSize(0.5, 1.5)))

    assert row["area_um2"] == pytest.approx(np.pi * 30**2, rel=0.01)
    assert row["perimeter_um"] == pytest.approx(2 * np.pi * 30, rel=0.03)
    assert (row["major_um"], row["minor_um"]) == (pytest.approx(60, rel=0.01), pytest.approx(60, rel=0.01))
    assert row["eccentricity"] < 0.2
    assert row["major_px"] == pytest.approx(120, rel=0.01)


def test_columns_do_not_depend_on_the_data():
    nothing = measured(Objects.of(np.zeros((3, 3), dtype=bool)), [np.zeros((3, 3), dtype=np.uint8)], PixelSize(1, 1))
    plain = measured(Objects.of(np.eye(3, dtype=bool)), None, None)

    assert list(nothing) == list(plain) == list(OBJECT_COLUMNS)
    assert list(rows(nothing)) == []
    text = written(next(rows(plain)))
    assert (text["area_px"], text["touches_border"], text["area_um2"], text["x_px"]) == ("3", "yes", "", "1.00")


def test_an_object_has_its_box_and_its_pixels():
    mask = np.zeros((6, 8), dtype=bool)
    mask[1:3, 2:5] = mask[4, 7] = True

    first, second = Objects.of(mask)

    assert (first.number, first.box) == (1, Box(2, 1, 3, 2))
    assert first.mask().all()
    assert (second.number, second.box) == (2, Box(7, 4, 1, 1))


def test_a_mask_of_noise_alone_is_refused(monkeypatch):
    monkeypatch.setattr(runs_module, "MAX_RUNS", 20)
    with pytest.raises(UsageError, match="too ragged"):
        Runs.of_bands(bands(np.indices((8, 11)).sum(0) % 2 == 0))
