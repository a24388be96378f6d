import numpy as np
import pytest

from shared.synth.blobs import POINTS_PER_CURVE, bezier_contour, blob_mask, fill_polygon, sample_control_points
from shared.synth.dotblob import DOTBLOB_V1

SQUARE = np.array([[10.0, 20.0], [30.0, 20.0], [30.0, 50.0], [10.0, 50.0]])


def test_the_fill_takes_the_pixels_whose_centre_is_inside():
    mask = fill_polygon(SQUARE, 64, 64)
    assert mask.sum() == 20 * 30
    assert mask[20:50, 10:30].all()


@pytest.mark.parametrize("turn", [SQUARE, SQUARE[::-1]])
def test_the_fill_does_not_depend_on_the_direction(turn):
    assert fill_polygon(turn, 64, 64).sum() == 600


def test_the_fill_has_no_hole_where_the_contour_runs_twice_round():
    twice = np.concatenate([SQUARE, SQUARE])
    assert fill_polygon(twice, 64, 64).sum() == 600


def test_the_fill_cuts_off_what_leaves_the_canvas():
    mask = fill_polygon(SQUARE - [20.0, 30.0], 64, 64)  # x −10..10, y −10..20
    assert mask.sum() == 10 * 20
    assert mask[:20, :10].all()


def test_a_filled_circle_has_the_circle_s_area():
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = 100 + 60 * np.column_stack([np.cos(angles), np.sin(angles)])
    assert fill_polygon(circle, 200, 200).sum() == pytest.approx(np.pi * 60**2, rel=2e-3)


def test_the_contour_passes_through_its_control_points_and_is_smooth_there():
    points = sample_control_points(np.random.default_rng(5), 512, DOTBLOB_V1, DOTBLOB_V1.margin_px)
    contour = bezier_contour(points)
    np.testing.assert_allclose(contour[::POINTS_PER_CURVE], points, atol=1e-9)
    # C1: one-sided differences at a control point agree up to the curvature of one step
    before = points - np.roll(contour, 1, axis=0)[::POINTS_PER_CURVE]
    after = np.roll(contour, -1, axis=0)[::POINTS_PER_CURVE] - points
    tangent = (np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)) / 2 / POINTS_PER_CURVE
    np.testing.assert_allclose(before, tangent, atol=1.5)
    np.testing.assert_allclose(after, tangent, atol=1.5)
    np.testing.assert_allclose((before + after) / 2, tangent, atol=0.5)


def test_every_contour_keeps_its_distance_from_the_edge_and_has_5_to_15_points():
    counts = set()
    for seed in range(200):
        points = sample_control_points(np.random.default_rng(seed), 512, DOTBLOB_V1, DOTBLOB_V1.margin_px)
        counts.add(len(points))
        contour = bezier_contour(points)
        assert contour.min() >= 8 - 1e-6
        assert contour.max() <= 504 + 1e-6
    assert counts == set(range(5, 16))


def test_the_mask_lies_inside_the_margin():
    mask = blob_mask(sample_control_points(np.random.default_rng(1), 256, DOTBLOB_V1, DOTBLOB_V1.margin_px), 256)
    rows, columns = np.nonzero(mask)
    assert rows.min() >= 8
    assert columns.max() < 248
