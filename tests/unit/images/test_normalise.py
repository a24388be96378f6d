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


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(512, 512), (3, 70_001), (700, 16)])
def test_whole_numbers_become_what_they_become_as_floats(dtype, shape):
    rng = np.random.default_rng(1)
    full = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    dim = rng.integers(0, 3, shape, dtype=dtype) + dtype(250)
    one_pixel = np.full(shape, np.iinfo(dtype).max)
    one_pixel[1, 2] -= 1
    for image in (full, dim, one_pixel.astype(dtype)):
        np.testing.assert_allclose(standardise(image), standardised_in_float64(image), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("shape", [(512, 512), (600, 700), (2, 70_001)])
def test_blocks_of_rows_leave_no_trace(shape):
    image = np.random.default_rng(2).random(shape, dtype=np.float32) + np.float32(1000)
    np.testing.assert_allclose(standardise(image), standardised_in_float64(image), rtol=1e-6, atol=1e-6)


def standardised_in_float64(image):
    """The definition of standardise-v1, as it was first written."""
    centred = image.astype(np.float32).astype(np.float64)
    centred -= centred.mean()
    centred /= np.sqrt(np.vdot(centred, centred) / centred.size)
    return centred.astype(np.float32)


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
