import numpy as np
import pytest
from PIL import Image

from shared.errors import UsageError
from shared.images.resample import resample, resample_bands, scaled
from shared.images.scale import AUTO_SCALE, checked_scale, scale_in, scale_of, scale_text, with_scale


def bands(image, rows):
    return (image[row : row + rows] for row in range(0, len(image), rows))


@pytest.mark.parametrize("scale", [0.1, 0.37, 0.5, 1.3, 4.0])
@pytest.mark.parametrize("rows", [1, 100, 5000])
def test_bands_give_what_the_whole_gives(scale, rows):
    image = np.random.default_rng(0).random((900, 70), dtype=np.float32)
    height, width = scaled(image.shape, scale)
    whole = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    pieces = np.concatenate(list(resample_bands(bands(image, rows), image.shape, (height, width))))
    np.testing.assert_allclose(pieces, whole, atol=2e-4)


def test_shrinking_passes_over_no_pixel():
    image = np.zeros((100, 100), np.float32)
    image[33, 57] = 100.0
    small = resample(image, (10, 10))
    assert small.sum() == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("scale", [0.25, 3.0])
def test_there_and_back_a_smooth_image_is_the_same(scale):
    row, column = np.indices((240, 200), dtype=np.float32)
    image = np.sin(row / 20) + np.cos(column / 25)
    back = resample(resample(image, scaled(image.shape, scale)), image.shape)
    assert back.shape == image.shape
    assert np.abs(back - image).max() < 0.2


def test_the_same_size_leaves_an_image_alone():
    image = np.random.default_rng(1).random((20, 30), dtype=np.float32)
    assert resample(image, (20, 30)) is image


def test_an_image_keeps_a_pixel():
    assert scaled((3, 1000), 0.1) == (1, 100)


@pytest.mark.parametrize("scale", [0.09, 4.1, -1.0, float("nan"), float("inf")])
def test_a_scale_out_of_range_is_refused(scale):
    with pytest.raises(UsageError, match=r"give 0\.1 to 4"):
        checked_scale(scale)


@pytest.mark.parametrize(("text", "scale"), [("0.25", 0.25), (" 2 ", 2.0), ("auto", AUTO_SCALE), ("Auto", AUTO_SCALE)])
def test_a_scale_can_be_written(text: str, scale: float) -> None:
    assert scale_of(text) == scale
    assert scale_of(scale_text(scale)) == scale


@pytest.mark.parametrize("text", ["", "0", "-1", "5", "nan", "automatic", "0,5", "1e-9"])
def test_a_scale_that_makes_no_sense_is_refused_in_a_line_that_says_what_does(text: str) -> None:
    with pytest.raises(UsageError, match=r"give 0\.1 to 4, 1 to leave images as they are, or auto"):
        scale_of(text)


@pytest.mark.parametrize("scale", [0.1, 0.25, 1.0, 1.5, 4.0])
@pytest.mark.parametrize("more", ["", ", channel green", ", 3 channels"])
def test_the_scale_stands_in_the_preprocessing_whatever_follows_it(scale: float, more: str) -> None:
    assert scale_in(with_scale("ground-v2, standardise-v1", scale) + more) == scale


def test_what_says_no_scale_has_none() -> None:
    assert scale_in(None) == scale_in("standardise-v2, channel green") == 1.0
