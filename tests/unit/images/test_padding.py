import numpy as np
import pytest

from shared.images.padding import pad_with_ground
from shared.images.scale import MAX_SCALE, working_scale


def test_the_image_stays_and_its_surroundings_look_like_its_border():
    image = np.random.default_rng(0).normal(3, 1, (100, 140)).astype(np.float32)
    image[40:60, 40:60] += 50
    padded = pad_with_ground(image, ((60, 61), (20, 33)))
    assert padded.shape == (221, 193)
    np.testing.assert_array_equal(padded[60:160, 20:160], image)
    surroundings = np.concatenate([padded[:60].ravel(), padded[160:].ravel(), padded[60:160, :20].ravel()])
    assert surroundings.mean() == pytest.approx(3, abs=0.2)
    assert surroundings.std() == pytest.approx(1, abs=0.1)


def test_a_dot_on_the_border_is_not_repeated_all_around():
    image = np.random.default_rng(1).normal(0, 1, (64, 64)).astype(np.float32)
    image[:9, 30:39] = 40
    padded = pad_with_ground(image, ((50, 50), (50, 50)))
    padded[50:114, 50:114] = 0
    assert padded.max() < 10


def test_the_same_image_gets_the_same_surroundings():
    image = np.random.default_rng(2).random((40, 50), dtype=np.float32)
    np.testing.assert_array_equal(*(pad_with_ground(image, ((9, 9), (0, 4))) for _ in range(2)))


def test_nothing_to_be_added_is_the_image_itself():
    image = np.ones((9, 9), dtype=np.float32)
    assert pad_with_ground(image, ((0, 0), (0, 0))) is image


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (7, 9), (8, 8)])
def test_tiny_images_are_surrounded_too(shape):
    image = np.full(shape, 2, dtype=np.float32)
    padded = pad_with_ground(image, ((5, 6), (7, 8)))
    assert padded.shape == (shape[0] + 11, shape[1] + 15)
    assert (padded == 2).all()


def test_what_is_framed_or_empty_is_surrounded_by_zeros():
    image = np.random.default_rng(3).random((60, 60), dtype=np.float32)
    image[:16] = image[-16:] = image[:, :16] = image[:, -16:] = 0
    for each in (image, np.zeros_like(image)):
        np.testing.assert_array_equal(pad_with_ground(each, ((4, 4), (4, 4))), np.pad(each, 4))


@pytest.mark.parametrize(
    ("height", "width", "scale"),
    [
        (64, 64, 4),
        (96, 96, 3),
        (128, 128, 2.25),
        (192, 200, 1.5),
        (256, 256, 1),
        (512, 512, 1),
        (64, 900, 1),
        (16, 16, 4),
    ],
)
def test_small_pictures_are_enlarged_up_to_a_tile(height, width, scale):
    assert working_scale(height, width) == working_scale(width, height) == scale


def test_no_picture_is_enlarged_beyond_the_largest_tile_or_the_largest_scale():
    for side in range(1, 3000, 7):
        for other in (16, 100, 500, 4096):
            scale = working_scale(side, other)
            assert 1 <= scale <= MAX_SCALE
            assert scale == 1 or max(side, other) * scale <= 1024
