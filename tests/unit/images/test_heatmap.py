"""Pictures for people: the stretch, the colours, the contour."""

import numpy as np
import pytest

from shared.images.heatmap import CONTOUR_COLOUR, MAGMA, display_grey, heatmap, overlay


def test_the_colour_map_is_magma_and_grows_lighter_all_the_way():
    assert MAGMA.shape == (256, 3)
    assert MAGMA[0].tolist() == [0, 0, 4]
    assert MAGMA[128].tolist() == pytest.approx([183, 55, 121], abs=2)
    assert MAGMA[255].tolist() == [252, 253, 191]
    assert (np.diff(MAGMA @ np.array([0.299, 0.587, 0.114])) > -0.5).all()


def test_heatmap_colours_each_pixel_by_its_probability():
    colours = heatmap(np.array([[0, 0.5, 1], [-1, 2, 1]], dtype=np.float32))
    assert (colours.shape, colours.dtype) == ((2, 3, 3), np.uint8)
    assert np.array_equal(colours[0], MAGMA[[0, 128, 255]])
    assert np.array_equal(colours[1], MAGMA[[0, 255, 255]])


def test_display_grey_spreads_the_intensities_and_withstands_outliers():
    pixels = np.linspace(1000, 3000, 10_000, dtype=np.float32).reshape(100, 100)
    pixels[0, 0] = 1e6
    shown = display_grey(pixels)
    assert shown.dtype == np.uint8
    assert (shown[0, 1], shown[-1, -1]) == (0, 255)
    assert shown[50, 0] == pytest.approx(128, abs=2)


def test_display_grey_of_flat_and_nearly_flat_images():
    flat = np.full((100, 100), 7, dtype=np.float32)
    assert not display_grey(flat).any()
    flat[3, 4] = 8
    assert display_grey(flat)[3, 4] == 255


def test_display_grey_of_a_large_image_samples_all_of_it():
    pixels = np.zeros((2000, 2000), dtype=np.float32)
    pixels[1000:] = 1
    assert np.unique(display_grey(pixels)).tolist() == [0, 255]


def test_overlay_draws_the_contour_and_leaves_the_rest():
    grey = np.full((64, 64), 90, dtype=np.uint8)
    mask = np.zeros((64, 64), dtype=bool)
    mask[20:40, 20:40] = True
    picture = overlay(grey, mask)
    drawn = (picture == CONTOUR_COLOUR).all(axis=-1)
    assert drawn[20, 20:40].all()
    assert not drawn[21:39, 21:39].any()
    assert (picture[~drawn] == 90).all()


def test_overlay_draws_wider_on_larger_images():
    mask = np.zeros((2048, 2048), dtype=bool)
    mask[500:1500, 500:1500] = True
    drawn = (overlay(np.zeros(mask.shape, dtype=np.uint8), mask) == CONTOUR_COLOUR).all(axis=-1)
    assert 8 <= np.count_nonzero(drawn[1000, :1000]) <= 10


def test_overlay_of_an_empty_mask_is_the_image():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(overlay(grey, np.zeros((16, 16), dtype=bool))[..., 1], grey)
