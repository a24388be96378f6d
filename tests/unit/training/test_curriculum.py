from pathlib import Path

import pytest

import training
from training.config import CurriculumConfig, load_config
from training.recipe.curriculum import noise_in, phase_name

SEED = load_config(Path(training.__file__).parent / "configs" / "seed.yaml").curriculum


@pytest.mark.parametrize(
    ("epochs", "phase", "scale", "mixed"),
    [
        ((1, 5), "easy", 0.10, 0.0),
        ((6, 20), "medium", 0.35, 0.2),
        ((21, 45), "hard", 0.70, 0.4),
        ((46, 80), "extreme", 1.00, 0.6),
    ],
)
def test_the_seed_s_four_phases(epochs, phase, scale, mixed):
    for epoch in epochs:
        noise = noise_in(SEED, epoch, 5000)
        assert (phase_name(SEED, epoch), noise.scale, noise.mixed_prob) == (phase, scale, mixed)


def test_behind_the_last_phase_its_noise_goes_on():
    assert noise_in(SEED, 81, 5000) == noise_in(SEED, 80, 5000)
    assert phase_name(SEED, 81) == ""


def test_the_phases_scale_the_severity():
    half = SEED.model_copy(update={"severity": 0.5})
    assert noise_in(half, 30, 5000).scale == pytest.approx(0.35)


def test_the_ramp_s_mean_over_each_epoch():
    ramp = CurriculumConfig(severity=0.8, ramp_images=250, ramp_start=0.5, mixed_prob=0.3)
    found = [noise_in(ramp, epoch, 100) for epoch in (1, 2, 3, 4)]
    # The line's share at 50, at 150, half an epoch of rise (0.9) and half of 1, then 1.
    assert [noise.scale for noise in found] == pytest.approx([0.8 * (0.5 + 0.5 * s) for s in (0.2, 0.6, 0.95, 1)])
    assert {noise.mixed_prob for noise in found} == {0.3}


def test_without_ramp_and_phases_the_noise_is_the_same_in_every_epoch():
    assert noise_in(CurriculumConfig(severity=0.7), 1, 100) == noise_in(CurriculumConfig(severity=0.7), 9, 100)
    assert noise_in(CurriculumConfig(severity=0.7), 1, 100).scale == 0.7
