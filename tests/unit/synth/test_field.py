import json

import numpy as np
import pytest

from shared.errors import UsageError
from shared.synth import Sample, definition_hash, synthesise, synthesise_family
from shared.synth.field import FAMILIES, FIELD_V1, HELD_OUT, TRAINED, FieldScene
from shared.synth.field.effects import LEVEL_EFFECTS, LIGHT_EFFECTS, smooth_field
from shared.synth.field.families import GROUP_SHARES, trained_shares

SMALL = (96, 160)


def scene(seed: int, family: str, shape: tuple[int, int] = SMALL) -> FieldScene:
    return FIELD_V1.sample_family(np.random.default_rng((seed, 0)), shape, family)


def sample(seed: int, family: str, shape: tuple[int, int] = (512, 512)) -> Sample:
    return synthesise_family(seed, family, shape=shape)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_always_gives_the_same_picture_of_a_family(family: str):
    first, again = (sample(5, family, SMALL) for _ in range(2))
    other = sample(6, family, SMALL)
    assert first.image.dtype == np.uint8
    assert first.image.shape == first.mask.shape == SMALL
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("family", FAMILIES)
def test_there_is_a_truth_except_where_nothing_is_there(family: str):
    masks = [sample(seed, family).mask for seed in range(3)]
    if FAMILIES[family].group == "nothing":
        assert not any(mask.any() for mask in masks)
    else:
        assert all(mask.any() for mask in masks)


@pytest.mark.parametrize("family", ["clutter", "clouds", "ring", "margin", "empty"])
def test_parameters_come_back_from_json_with_the_picture(family: str):
    drawn = scene(11, family)
    back = FieldScene.from_dict(json.loads(json.dumps(drawn.to_dict())))
    assert back == drawn
    assert np.array_equal(back.render().clean, drawn.render().clean)
    grey = np.full(SMALL, 100, np.uint8)
    assert np.array_equal(back.finish(grey), drawn.finish(grey))


def drawn_for_training(seed: int) -> FieldScene:
    return FIELD_V1.sample_family(np.random.default_rng(seed), SMALL)


def test_what_is_held_out_is_never_drawn_for_training():
    shares = trained_shares()
    assert shares.keys() == set(TRAINED)
    assert not shares.keys() & set(HELD_OUT)
    assert sum(shares.values()) == pytest.approx(1)
    for group, share in GROUP_SHARES.items():
        of_group = [value for name, value in shares.items() if FAMILIES[name].group == group]
        assert sum(of_group) == pytest.approx(share)
    assert {drawn_for_training(seed).family for seed in range(300)} <= set(TRAINED)


def test_each_group_that_is_trained_on_also_has_a_family_that_is_not():
    assert {FAMILIES[name].group for name in HELD_OUT} == set(GROUP_SHARES)


def test_every_effect_is_used_by_some_family():
    used = set()
    for name in FAMILIES:
        for seed in range(60):
            drawn = scene(seed, name)
            used |= {step.kind for step in (*drawn.light, *drawn.levels)}
    assert used == LIGHT_EFFECTS.keys() | LEVEL_EFFECTS.keys()


def test_noise_hangs_together_over_as_many_pixels_as_it_says():
    field = smooth_field(np.random.default_rng(0), (512, 512), 3.0)

    def correlation(distance: int) -> float:
        return float(np.mean(field[:, :-distance] * field[:, distance:]))

    # The autocorrelation of noise blurred by σ is a Gaussian of deviation √2 σ.
    assert correlation(3) == pytest.approx(np.exp(-0.25), abs=0.03)
    assert correlation(6) == pytest.approx(np.exp(-1.0), abs=0.05)
    assert abs(correlation(30)) < 0.1


def test_a_hole_is_no_foreground():
    rings = [sample(seed, "ring") for seed in range(4)]
    for ring in rings:
        ys, xs = np.nonzero(ring.mask)
        assert not ring.mask[int(ys.mean()), int(xs.mean())]


@pytest.mark.parametrize(("family", "shape"), [("no-such", (64, 64)), ("clutter", (32, 64)), ("clutter", (64, 5000))])
def test_what_cannot_be_drawn_is_refused(family: str, shape: tuple[int, int]):
    with pytest.raises(UsageError):
        synthesise_family(1, family, shape=shape)


def test_what_a_config_holds_out_is_held_out_too():
    fewer = FIELD_V1.without(("clouds", "ring"))
    assert {"clouds", "ring", *HELD_OUT} == set(fewer.held_out)
    assert not {"clouds", "ring"} & fewer.shares().keys()
    assert sum(fewer.shares().values()) == pytest.approx(1)
    assert definition_hash(fewer) != definition_hash(FIELD_V1)
    with pytest.raises(UsageError, match="no-such"):
        FIELD_V1.without(("no-such",))
    with pytest.raises(UsageError, match="held out"):
        FIELD_V1.without(TRAINED)


def test_a_weaker_severity_weakens_the_noise_of_a_scene():
    noisy = next(s for s in (scene(seed, "ramp") for seed in range(50)) if len(s.noise) == 2)
    full, half, none = (noisy.own_noise(severity) for severity in (1.0, 0.5, 0.0))
    assert [step.strength for step in full.steps] == pytest.approx([step.strength for step in noisy.noise])
    assert full.steps != half.steps != none.steps
    assert none.steps[0].strength == pytest.approx(100)  # photons: the weakest


def test_numbers_that_are_asked_for_hold_where_there_is_a_shape():
    made = [synthesise(seed, definition="field-v1", size=128, num_dots=33, jitter=0.0) for seed in range(12)]
    assert {len(each.scene.dot_centres) for each in made if each.mask.any()} == {33}
    assert any(not each.mask.any() for each in made)
