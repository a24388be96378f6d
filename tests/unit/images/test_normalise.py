"""standardise: zero mean, unit variance, blind to a scan's gain, offset and bit depth."""

import numpy as np
import pytest

from shared.images.normalise import standardise


@pytest.fixture
def image():
    return np.random.default_rng(0).random((64, 48), dtype=np.float32)


def test_zero_mean_and_unit_variance(image):
    result = standardise(image)
    assert result.dtype == np.float32
    assert result.mean(dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert result.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("gain", "offset"), [(255, 0), (65535, 0), (40, 3000), (1e-6, 0), (1e30, 0)])
def test_gain_and_offset_do_not_matter(image, gain, offset):
    scanned = (gain * image.astype(np.float64) + offset).astype(np.float32)
    np.testing.assert_allclose(standardise(scanned), standardise(image), atol=1e-4)


def test_bit_depths_of_one_scene_agree_within_their_rounding(image):
    eight, sixteen = np.round(image * 255), np.round(image * 65535)
    np.testing.assert_allclose(
        standardise(eight.astype(np.float32)), standardise(sixteen.astype(np.float32)), atol=0.01
    )


@pytest.mark.parametrize("value", [0, 0.1, 255, 65535, 3e38])
def test_a_constant_image_becomes_zeros(value):
    assert not standardise(np.full((20, 30), value, dtype=np.float32)).any()


def test_low_contrast_on_a_large_image_keeps_its_digits():
    image = np.full((2048, 2048), 60000, dtype=np.float32)
    image[::2] += 1
    np.testing.assert_allclose(np.unique(standardise(image)), [-1, 1], atol=1e-5)


def test_the_input_is_left_alone(image):
    before = image.copy()
    standardise(image)
    assert np.array_equal(image, before)
