"""Regions of images: averages of squares, samples that stand for values, counts of levels."""

import numpy as np
import pytest

from shared.images.regions import Held, Intensities, Region, levels_of, reduced


def test_a_region_is_the_mean_of_squares_also_at_the_edges() -> None:
    pixels = np.arange(7 * 10, dtype=np.uint16).reshape(7, 10)
    whole = reduced(Held(pixels), Region(0, 0, 7, 10, 4))
    assert whole.shape == Region(0, 0, 7, 10, 4).shape == (2, 3)
    assert whole[0, 0] == pixels[:4, :4].mean()
    assert whole[1, 2] == pixels[4:, 8:].mean()
    part = reduced(Held(pixels), Region(2, 4, 4, 4, 2))
    assert part[1, 1] == pixels[4:6, 6:8].mean()
    assert (reduced(Held(pixels), Region(1, 2, 3, 4, 1)) == pixels[1:4, 2:6]).all()


def test_large_windows_are_read_in_parts_that_fit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (64, 48), dtype=np.uint8)
    expected = reduced(Held(pixels), Region.whole(64, 48))
    monkeypatch.setattr("shared.images.regions._PIXELS_AT_ONCE", 200)
    assert (reduced(Held(pixels), Region.whole(64, 48)) == expected).all()
    coarse = reduced(Held(pixels), Region(0, 0, 64, 48, 8))
    assert np.allclose(coarse, pixels.reshape(8, 8, 6, 8).mean((1, 3)))


def test_the_whole_is_as_coarse_as_it_has_to_be() -> None:
    assert Region.whole(2048, 100).step == 1
    assert Region.whole(2049, 100).step == 2
    assert Region.whole(8000, 12500).step == 8


def test_samples_stand_for_the_values_of_any_file() -> None:
    dark = np.full((40, 50), 1000, dtype=np.uint16)
    dark[3, 4], dark[5, 6:12] = 60000, 900
    seen = Intensities.of(Held(dark), (0.5, 99.5))
    assert (seen.most, seen.first, seen.last, seen.low, seen.unit) == (65535, 900, 60000, 0.0, 1.0)
    assert (seen.black, seen.white) == (900, 60000)  # nearly all of one value: the few others are shown
    assert sum(seen.histogram) == dark.size
    assert seen.samples(dark) is dark
    floats = np.linspace(-2, 3, 2000, dtype=np.float32).reshape(40, 50)
    floats[0, 0] = np.nan
    measured = Intensities.of(Held(floats), (0.5, 99.5))
    codes = measured.samples(floats).astype(float)
    assert codes[0, 0] == 0
    back = measured.low + codes * measured.unit
    assert np.abs(back - floats)[~np.isnan(floats)].max() <= measured.unit


def test_a_picture_without_any_data_has_a_scale_too() -> None:
    assert Intensities.of(Held(np.full((16, 16), np.nan, dtype=np.float32)), (0.5, 99.5)).samples(
        np.full((2, 2), np.nan, dtype=np.float32)
    ).tolist() == [[0, 0], [0, 0]]
    assert Intensities.of(Held(np.zeros((16, 16), dtype=np.uint8)), (0.5, 99.5)).histogram[0] == 256


def test_levels_are_counted_in_all_and_inside_the_truth() -> None:
    probability = np.array([[0, 10, 255], [10, 10, 200]], dtype=np.uint8)
    truth = np.array([[0, 1, 1], [0, 255, 0]], dtype=np.uint8)
    counts, inside = levels_of(Held(probability), Held(truth))
    assert inside is not None
    assert (counts[0], counts[10], counts[200], counts[255], sum(counts)) == (1, 3, 1, 1, 6)
    assert (inside[10], inside[255], sum(inside)) == (2, 1, 3)
    assert levels_of(Held(probability), None)[1] is None
