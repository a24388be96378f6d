"""What a network reads from an image's histogram."""

import numpy as np
import pytest
import torch

from shared.images.normalise import standardise
from shared.net.likelihood import LEVELS, DotLikelihood, LikelihoodStem, quantise
from shared.synth import NoiseParameters, NoiseStep, find_definition, synthesise
from training.config import LikelihoodConfig
from training.recipe.likelihood import fit


@pytest.fixture(scope="module")
def fitted() -> DotLikelihood:
    """A table of few histograms: rough, but of every kind of noise."""
    torch.manual_seed(0)
    likelihood = DotLikelihood()
    assert fit(likelihood, LikelihoodConfig(histograms=1500, passes=60), find_definition("dotblob-v1"), seed=1) < 0.5
    return likelihood


def ratios_of(likelihood: DotLikelihood, image: np.ndarray) -> np.ndarray:
    ratios, _ = likelihood(torch.from_numpy(standardise(image))[None, None])
    return ratios[0, 0].numpy()


def noisy(seed: int, *steps: tuple[str, float]):
    return synthesise(seed, noise=NoiseParameters("mixed", tuple(NoiseStep(*step) for step in steps)))


def told_apart(ratios: np.ndarray, sample) -> float:
    """How many deviations of the ground the dots stand over it, in the mean of their pixels."""
    dots = sample.clean > sample.clean.min() + 0.5 * np.ptp(sample.clean)
    ground = ratios[sample.clean == sample.clean.min()]
    return float((ratios[dots].mean() - ground.mean()) / ground.std())


def test_quantising_spans_an_image_s_own_range_and_leaves_padding_out():
    image = torch.tensor([-1.0, 0.0, 0.5, 2.0])[None, None, None]
    assert quantise(image).tolist() == [[0, LEVELS, 128, LEVELS - 1]]
    assert quantise(torch.zeros(1, 1, 2, 2)).unique().tolist() == [LEVELS]


def test_a_hot_pixel_does_not_squeeze_the_others_into_one_level():
    image = torch.randn(1, 1, 64, 64)
    image[0, 0, 0, 0] = 1e4
    assert len(quantise(image).unique()) > 60


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_under_salt_and_pepper_the_extremes_say_little(fitted, share):
    sample = noisy(3, ("salt_pepper", share))
    ratios = ratios_of(fitted, sample.image)
    assert abs(ratios[sample.image == 0].mean()) < ratios[(sample.image > 100) & (sample.image < 250)].mean() / 2
    assert told_apart(ratios, sample) > 1.5 * told_apart(sample.image.astype(float), sample)


def test_dark_dots_on_light_ground_speak_for_dots_too(fitted):
    sample = noisy(4, ("gaussian", 0.5))
    assert told_apart(ratios_of(fitted, sample.image), sample) > 0.5
    assert told_apart(ratios_of(fitted, 255 - sample.image), sample) > 0.5


def test_gain_and_offset_change_nothing(fitted):
    image = noisy(5, ("speckle", 0.7)).image.astype(np.float32)
    np.testing.assert_allclose(ratios_of(fitted, 0.5 * image + 40), ratios_of(fitted, image), atol=1e-3)


def test_padding_changes_nothing_and_speaks_for_ground(fitted):
    sample = noisy(6, ("gaussian", 0.4))
    image = standardise(sample.image[:300, :300])
    padded = np.pad(image, 106)
    alone, scale = fitted(torch.from_numpy(image)[None, None])
    within, scale_within = fitted(torch.from_numpy(padded)[None, None])
    torch.testing.assert_close(within[..., 106:406, 106:406], alone)
    torch.testing.assert_close(scale_within, scale)
    (padding,) = within[..., :106, :].unique()
    ground = alone[0, 0, torch.from_numpy(sample.clean[:300, :300] == sample.clean.min())]
    assert abs(padding - ground.mean()) < 0.3 * ground.std()


def test_padding_of_a_clean_image_is_as_surely_ground_as_ground_itself(fitted):
    sample = synthesise(7, noise="none", size=256, num_dots=30)
    padded = np.pad(standardise(sample.image), 128)
    ratios, _ = fitted(torch.from_numpy(padded)[None, None])
    ground = ratios[0, 0, 128:384, 128:384][torch.from_numpy(sample.clean == sample.clean.min())].mean()
    assert ratios[0, 0, 0, 0] < 0.9 * ground < 0


@pytest.mark.parametrize("image", [torch.zeros(1, 1, 32, 32), torch.full((1, 1, 32, 32), 3.0)])
def test_an_image_without_contrast_gives_finite_ratios(fitted, image):
    ratios, scale = fitted(image)
    assert torch.isfinite(ratios).all()
    assert torch.isfinite(scale).all()


def test_the_stem_folds_ratios_values_and_their_scale():
    stem = LikelihoodStem(4)
    image = torch.randn(2, 1, 16, 24)
    folded = stem(image)
    assert folded.shape == (2, stem.channels, 4, 6) == (2, 33, 4, 6)
    ratios, scale = stem.likelihood(image[1:])
    torch.testing.assert_close(torch.pixel_shuffle(folded[1:, :16], 4), ratios)
    torch.testing.assert_close(torch.pixel_shuffle(folded[1:, 16:32], 4), image[1:])
    torch.testing.assert_close(folded[1:, 32:], scale[:, :, None, None].expand(1, 1, 4, 6))


def test_autocast_leaves_the_ratios_alone(fitted):
    image = torch.randn(1, 1, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(fitted(image)[0], fitted(image)[0].float())
        within = fitted(image)[0]
    assert torch.equal(within, fitted(image)[0])
