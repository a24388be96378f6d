import numpy as np
import pytest

from shared.images.moments import Moments
from shared.images.normalise import standardise


@pytest.mark.parametrize("rows", [1, 7, 64])
@pytest.mark.parametrize(
    "image",
    [
        np.random.default_rng(0).integers(0, 256, (64, 33)).astype(np.float32),
        np.random.default_rng(1).normal(1e6, 1, (64, 33)).astype(np.float32),
        np.random.default_rng(2).normal(0, 1e30, (64, 33)).astype(np.float32),
        np.full((64, 33), 0.1, np.float32),
        np.linspace(-5, 9, 64 * 33, dtype=np.float32).reshape(64, 33),
    ],
    ids=["bytes", "large offset", "large values", "constant", "ramp"],
)
def test_windows_of_a_large_image_are_those_of_the_standardised_whole(image, rows):
    moments = Moments.of(image[row : row + rows] for row in range(0, 64, rows))
    window = moments.standardise(image[10:50, 5:30])
    assert window.dtype == np.float32
    np.testing.assert_allclose(window, standardise(image)[10:50, 5:30], atol=2e-6)
