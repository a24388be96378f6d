"""The overlap of masks against known values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from shared.images import metrics
from shared.images.metrics import Overlap

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


@pytest.mark.parametrize(("name", "expected"), [("dice", 0.5), ("iou", 1 / 3), ("precision", 0.5), ("recall", 0.5)])
def test_overlap_of_known_masks(name: str, expected: float) -> None:
    assert getattr(Overlap.of(SQUARE, SHIFTED), name) == pytest.approx(expected)
    assert getattr(Overlap.of(SQUARE, SQUARE), name) == 1.0
    assert getattr(Overlap.of(EMPTY, EMPTY), name) == 1.0


def test_precision_and_recall_tell_over_from_under_segmentation() -> None:
    half = rectangle(10, 10, 20, 15)
    for prediction, truth, expected in (
        (half, SQUARE, (1.0, 0.5)),
        (SQUARE, half, (0.5, 1.0)),
        (EMPTY, SQUARE, (1.0, 0.0)),
    ):
        overlap = Overlap.of(prediction, truth)
        assert (overlap.precision, overlap.recall) == expected


def test_boundary_counts_the_image_border_as_background():
    full = np.ones((4, 5), dtype=bool)
    assert np.array_equal(metrics.boundary(full), ~rectangle(1, 1, 3, 4, full.shape))


@given(two_masks)
@settings(max_examples=60, deadline=None)
def test_the_scores_fit_one_another(masks: tuple[metrics.Mask, metrics.Mask]) -> None:
    overlap, turned = Overlap.of(*masks), Overlap.of(*reversed(masks))
    assert metrics.dice(*masks) == overlap.dice == pytest.approx(2 * overlap.iou / (1 + overlap.iou))
    assert (overlap.precision, overlap.recall) == (turned.recall, turned.precision)
    assert (
        min(overlap.precision, overlap.recall) - 1e-12 <= overlap.dice <= max(overlap.precision, overlap.recall) + 1e-12
    )


def test_arguments_that_would_give_a_plausible_wrong_number_are_refused():
    with pytest.raises(TypeError, match="boolean"):
        Overlap.of(SQUARE.astype(np.uint8), SQUARE)
    with pytest.raises(ValueError, match="one shape"):
        Overlap.of(SQUARE, SQUARE[:-1])
