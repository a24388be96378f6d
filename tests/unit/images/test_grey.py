import numpy as np
import pytest

from shared.images.grey import channel_of_contrast, luma
from shared.synth import synthesise


def coloured(ground, dots, noise=0.05):
    clean = synthesise(1, noise="none").clean
    share = ((clean - clean.min()) / np.ptp(clean))[..., None]
    picture = np.array(ground) * (1 - share) + np.array(dots) * share
    noisy = picture + np.random.default_rng(0).normal(0, noise, picture.shape)
    return np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("ground", "dots", "channel"),
    [
        ((0.40, 0.40, 0.40), (0.30, 0.35, 0.95), "blue"),
        ((0.15, 0.50, 0.15), (0.90, 0.12, 0.15), "red"),
        ((0.60, 0.30, 0.50), (0.20, 0.51, 0.50), None),
    ],
)
def test_dots_of_the_grounds_luma_are_found_in_the_channel_that_has_them(ground, dots, channel):
    found = channel_of_contrast(coloured(ground, dots))
    assert found == channel or (channel is None and found in {"red", "green"})


def test_what_luma_shows_stays_luma():
    for ground, dots in (((0.1,) * 3, (0.8,) * 3), ((0.1,) * 3, (0.8, 0.8, 0.1)), ((0.9,) * 3, (0.3, 0.2, 0.4))):
        assert channel_of_contrast(coloured(ground, dots)) is None


def test_grey_as_rgb_and_noise_alone_stay_luma():
    grey = synthesise(2).image
    assert channel_of_contrast(np.repeat(grey[..., None], 3, axis=2)) is None
    assert channel_of_contrast(np.random.default_rng(0).integers(0, 255, (300, 200, 4), dtype=np.uint8)) is None
    assert channel_of_contrast(np.zeros((300, 200, 3), dtype=np.uint8)) is None


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 500, 3), (4, 4, 3), (3000, 16, 3)])
def test_any_shape_has_an_answer(shape):
    assert channel_of_contrast(np.full(shape, 9, dtype=np.uint16)) is None
    assert luma(np.full(shape, 9, dtype=np.uint16)).shape == shape[:2]
