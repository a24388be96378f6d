"""The overlap of masks against known values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from shared.images import metrics

SHAPE = (40, 50)


def rectangle(top: int, left: int, bottom: int, right: int, shape: tuple[int, int] = SHAPE) -> metrics.Mask:
    mask = np.zeros(shape, dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


EMPTY = rectangle(0, 0, 0, 0)
SQUARE = rectangle(10, 10, 20, 20)  # 100 px
SHIFTED = rectangle(10, 15, 20, 25)  # 100 px, 50 of them shared

two_masks = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12).flatmap(
    lambda shape: st.tuples(arrays(np.bool_, shape), arrays(np.bool_, shape))
)


@pytest.mark.parametrize(("metric", "expected"), [(metrics.dice, 0.5), (metrics.iou, 1 / 3)])
def test_overlap_metrics_of_known_masks(metric, expected):
    assert metric(SQUARE, SHIFTED) == pytest.approx(expected)
    assert metric(SQUARE, SQUARE) == 1.0
    assert metric(EMPTY, EMPTY) == 1.0


def test_boundary_counts_the_image_border_as_background():
    full = np.ones((4, 5), dtype=bool)
    assert np.array_equal(metrics.boundary(full), ~rectangle(1, 1, 3, 4, full.shape))


@given(two_masks)
@settings(max_examples=60, deadline=None)
def test_dice_and_iou_are_two_forms_of_one(masks):
    dice, iou = metrics.dice(*masks), metrics.iou(*masks)
    assert dice == pytest.approx(2 * iou / (1 + iou))


def test_arguments_that_would_give_a_plausible_wrong_number_are_refused():
    with pytest.raises(TypeError, match="boolean"):
        metrics.dice(SQUARE.astype(np.uint8), SQUARE)
    with pytest.raises(ValueError, match="one shape"):
        metrics.iou(SQUARE, SQUARE[:-1])
