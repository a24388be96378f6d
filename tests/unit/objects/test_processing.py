"""What may be done to masks, against SciPy and scikit-image, whole and in bands."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import remove_small_objects

from shared.errors import UsageError
from shared.objects.options import PostProcessing
from shared.objects.processing import applied, processed_runs
from tests.unit.objects.test_objects import MASKS, bands

EVERY_MASK = pytest.mark.parametrize("mask", MASKS, ids=range(len(MASKS)))


@EVERY_MASK
def test_holes_are_filled_as_scipy_fills_them(mask):
    filled = applied(PostProcessing(fill_holes=True), mask)
    assert np.array_equal(filled, ndimage.binary_fill_holes(mask))


@EVERY_MASK
def test_small_objects_are_dropped_as_scikit_image_drops_them(mask):
    kept = applied(PostProcessing(min_area=9), mask)
    assert np.array_equal(kept, remove_small_objects(mask, max_size=8, connectivity=2))


@EVERY_MASK
def test_the_largest_object_stays(mask):
    labels = label(mask, connectivity=2)
    largest = max(regionprops(labels), key=lambda region: (region.area, -region.label), default=None)

    kept = applied(PostProcessing(keep_largest=True), mask)

    assert np.array_equal(kept, labels == largest.label if largest else mask)


@EVERY_MASK
def test_smoothing_is_a_majority_of_the_pixels_around(mask):
    inside = ndimage.uniform_filter(np.ones(mask.shape), 5, mode="constant")
    share = ndimage.uniform_filter(mask.astype(float), 5, mode="constant") / inside

    smooth = applied(PostProcessing(smooth=2), mask)

    assert np.array_equal(smooth, share > 0.5 + 1e-9)


@EVERY_MASK
@pytest.mark.parametrize("rows", [1, 3, 8])
def test_bands_come_to_the_same(mask, rows):
    asked = PostProcessing(smooth=2, fill_holes=True, min_area=5, keep_largest=True)
    assert np.array_equal(processed_runs(asked, bands(mask, rows)).mask(), applied(asked, mask))


def test_nothing_is_done_unless_asked_for():
    mask = MASKS[3]
    assert applied(PostProcessing(), mask) is mask
    assert not PostProcessing(min_area=1)


@pytest.mark.parametrize(
    "asked",
    [PostProcessing(), PostProcessing(smooth=3), PostProcessing(2, fill_holes=True, min_area=40, keep_largest=True)],
)
def test_what_is_done_is_written_and_read(asked):
    assert PostProcessing.parse(str(asked)) == asked
    assert len(str(asked)) <= 128


@pytest.mark.parametrize("values", [{"smooth": -1}, {"smooth": 21}, {"min_area": -5}, {"min_area": 10**10}])
def test_what_makes_no_sense_is_refused_in_one_line(values):
    with pytest.raises(UsageError, match="give a whole number of pixels"):
        PostProcessing(**values)


@pytest.mark.parametrize("text", ["open=3", "smooth=x", "fill-holes smooth=99"])
def test_what_a_later_version_wrote_is_refused(text):
    with pytest.raises(UsageError):
        PostProcessing.parse(text)
