import json
from dataclasses import replace

import numpy as np
import pytest

from shared.errors import UsageError
from shared.synth import KINDS, NOISE_LABELS, NoiseParameters, apply_noise, find_definition, sample_noise, snr_db

DOTBLOB = find_definition("dotblob-v1")

LEVEL = 0.5
FLAT = np.full((256, 256), LEVEL, dtype=np.float32)
STEP = np.where(np.arange(256) < 128, np.float32(0.2), np.float32(0.6)) * np.ones((256, 1), np.float32)


def noisy(kind, strength, image=FLAT, seed=0):
    return apply_noise(image, NoiseParameters.single(kind, strength), np.random.default_rng(seed)) / 255


def test_gaussian_adds_sigma():
    image = noisy("gaussian", 0.1)
    assert image.mean() == pytest.approx(LEVEL, abs=2e-3)
    assert image.std() == pytest.approx(0.1, rel=0.02)


def test_speckle_is_in_proportion_to_the_intensity():
    image = noisy("speckle", 0.1, STEP)
    assert image[:, :128].std() == pytest.approx(0.02, rel=0.03)
    assert image[:, 128:].std() == pytest.approx(0.06, rel=0.03)


@pytest.mark.parametrize("photons", [30.0, 300.0])
def test_poisson_has_the_mean_s_variance_for_background_and_dots_alike(photons):
    image = noisy("poisson", photons, STEP)
    for half, level in ((image[:, :128], 0.2), (image[:, 128:], 0.6)):
        assert half.mean() == pytest.approx(level, rel=0.02)
        assert half.std() == pytest.approx((level / photons) ** 0.5, rel=0.04)


def test_poisson_of_few_photons_counts_whole_ones():
    image = noisy("poisson", 4.0)
    share_of_none = (image == 0).mean()
    assert share_of_none == pytest.approx(np.exp(-4.0 * LEVEL), rel=0.05)
    assert set(np.unique(image)) <= {0, 64 / 255, 128 / 255, 191 / 255, 1.0}


def test_salt_and_pepper_replaces_a_share_half_to_each_side():
    image = noisy("salt_pepper", 0.3)
    assert (image == 0).mean() == pytest.approx(0.15, abs=0.01)
    assert (image == 1).mean() == pytest.approx(0.15, abs=0.01)
    assert len(np.unique(image)) == 3


def test_no_noise_only_quantises():
    image = noisy("gaussian", 0.0)
    np.testing.assert_array_equal(image, 128 / 255)
    np.testing.assert_array_equal(apply_noise(FLAT, NoiseParameters("none"), np.random.default_rng(0)), np.uint8(128))


def test_steps_are_applied_in_the_order_given():
    salt_last = NoiseParameters.from_dict({"kind": "mixed", "steps": [["gaussian", 0.1], ["salt_pepper", 0.5]]})
    image = apply_noise(FLAT, salt_last, np.random.default_rng(0))
    assert (image == 0).mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("kind", "weakest", "strongest"),
    [
        ("gaussian", 0.02, 1.22),
        ("poisson", 100.0, 10**-0.5),
        ("speckle", 0.1, 2.0),
        ("salt_pepper", 0.01, 0.70),
    ],
)
def test_strengths_run_over_the_benchmark_s_ranges(kind, weakest, strongest):
    assert DOTBLOB.kind(kind).strength_at(0.0) == pytest.approx(weakest)
    assert DOTBLOB.kind(kind).strength_at(1.0) == pytest.approx(strongest)


def test_the_kinds_are_drawn_as_the_benchmark_says():
    drawn = [sample_noise(np.random.default_rng(seed), 1.0, DOTBLOB) for seed in range(2000)]
    mixed = [noise for noise in drawn if noise.kind == "mixed"]
    assert len(mixed) / len(drawn) == pytest.approx(0.6, abs=0.04)
    for kind in KINDS:
        assert sum(noise.kind == kind for noise in drawn) / len(drawn) == pytest.approx(0.1, abs=0.03)
    order = ["poisson", "speckle", "gaussian", "salt_pepper"]
    for noise in mixed:
        places = [order.index(step.kind) for step in noise.steps]
        assert len(places) in (2, 3)
        assert places == sorted(set(places))


def test_severity_scales_the_strengths():
    for seed in range(100):
        (step,) = sample_noise(np.random.default_rng(seed), 0.1, DOTBLOB, kind="gaussian").steps
        assert 0.02 <= step.strength <= 0.02 + 0.12


def test_a_kind_asked_for_is_the_kind_drawn():
    for kind in NOISE_LABELS:
        assert sample_noise(np.random.default_rng(0), 0.5, DOTBLOB, kind=kind).kind == kind


@pytest.mark.parametrize(("severity", "kind"), [(1.1, None), (-0.1, None), (float("nan"), None), (0.5, "fog")])
def test_what_makes_no_noise_is_refused(severity, kind):
    with pytest.raises(UsageError):
        sample_noise(np.random.default_rng(0), severity, DOTBLOB, kind=kind)


def test_parameters_survive_json():
    noise = sample_noise(np.random.default_rng(3), 0.8, DOTBLOB, kind="mixed")
    assert NoiseParameters.from_dict(json.loads(json.dumps(noise.to_dict()))) == noise


def test_snr_is_the_contrast_over_the_rms_difference():
    image = np.rint((STEP + np.float32(0.04)) * 255).astype(np.uint8)
    assert snr_db(STEP, image) == pytest.approx(20 * np.log10(0.4 / 0.04), abs=0.3)
    exact = np.zeros((4, 4), np.float32)
    exact[0, 0] = 1
    assert snr_db(exact, (exact * 255).astype(np.uint8)) == float("inf")


def test_strata_go_from_weak_to_strong():
    for kind in KINDS.values():
        assert list(kind.strata) == sorted(kind.strata, reverse=kind.is_falling)
        assert kind.is_falling == (kind.strength_at(1.0) < kind.strength_at(0.0))


def test_a_definition_has_strengths_of_its_own():
    weaker = replace(DOTBLOB, name="weaker", kinds=(replace(KINDS["gaussian"], range=(0.0, 0.1)),), mixed_prob=0.0)
    for seed in range(20):
        (step,) = sample_noise(np.random.default_rng(seed), 1.0, weaker).steps
        assert step.kind == "gaussian"
        assert step.strength <= 0.1
    assert weaker.values()["gaussian_sigma"] == [0.0, 0.1]
    assert weaker.mixed_order == ("gaussian",)
