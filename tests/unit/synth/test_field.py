import json

import numpy as np
import pytest

from shared.errors import UsageError
from shared.synth.field import FAMILIES, HELD_OUT, TRAINED, FieldParameters, render_field, sample_field
from shared.synth.field.effects import FLOAT_EFFECTS, LEVEL_EFFECTS, smooth_field
from shared.synth.field.families import GROUP_SHARES, trained_shares

SMALL = (96, 160)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_always_gives_the_same_picture_of_a_family(family: str):
    first, again = (render_field(sample_field(5, shape=SMALL, family=family)) for _ in range(2))
    other = render_field(sample_field(6, shape=SMALL, family=family))
    assert first.image.dtype == np.uint8
    assert first.image.shape == first.mask.shape == SMALL
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("family", FAMILIES)
def test_there_is_a_truth_except_where_nothing_is_there(family: str):
    masks = [render_field(sample_field(seed, family=family)).mask for seed in range(3)]
    if FAMILIES[family].group == "nothing":
        assert not any(mask.any() for mask in masks)
    else:
        assert all(mask.any() for mask in masks)


@pytest.mark.parametrize("family", ["clutter", "clouds", "ring", "margin", "empty"])
def test_parameters_come_back_from_json_with_the_picture(family: str):
    parameters = sample_field(11, shape=SMALL, family=family)
    back = FieldParameters.from_dict(json.loads(json.dumps(parameters.to_dict())))
    assert back == parameters
    assert np.array_equal(render_field(back).image, render_field(parameters).image)


def test_what_is_held_out_is_never_drawn_for_training():
    shares = trained_shares()
    assert shares.keys() == set(TRAINED)
    assert not shares.keys() & set(HELD_OUT)
    assert sum(shares.values()) == pytest.approx(1)
    for group, share in GROUP_SHARES.items():
        of_group = [value for name, value in shares.items() if FAMILIES[name].group == group]
        assert sum(of_group) == pytest.approx(share)
    assert {sample_field(seed, shape=SMALL).family for seed in range(300)} <= set(TRAINED)


def test_each_group_that_is_trained_on_also_has_a_family_that_is_not():
    assert {FAMILIES[name].group for name in HELD_OUT} == set(GROUP_SHARES)


def test_every_effect_is_used_by_some_family():
    used = set()
    for name in FAMILIES:
        for seed in range(60):
            drawn = sample_field(seed, shape=SMALL, family=name)
            used |= {step.kind for step in (*drawn.ground, *drawn.noise, *drawn.finish)}
    assert used == FLOAT_EFFECTS.keys() | LEVEL_EFFECTS.keys()


def test_noise_hangs_together_over_as_many_pixels_as_it_says():
    field = smooth_field(np.random.default_rng(0), (512, 512), 3.0)

    def correlation(distance: int) -> float:
        return float(np.mean(field[:, :-distance] * field[:, distance:]))

    # The autocorrelation of noise blurred by σ is a Gaussian of deviation √2 σ.
    assert correlation(3) == pytest.approx(np.exp(-0.25), abs=0.03)
    assert correlation(6) == pytest.approx(np.exp(-1.0), abs=0.05)
    assert abs(correlation(30)) < 0.1


def test_a_hole_is_no_foreground():
    rings = [render_field(sample_field(seed, family="ring")) for seed in range(4)]
    for ring in rings:
        ys, xs = np.nonzero(ring.mask)
        assert not ring.mask[int(ys.mean()), int(xs.mean())]


@pytest.mark.parametrize(("family", "shape"), [("no-such", (64, 64)), ("clutter", (32, 64)), ("clutter", (64, 5000))])
def test_what_cannot_be_drawn_is_refused(family: str, shape: tuple[int, int]):
    with pytest.raises(UsageError):
        sample_field(1, shape=shape, family=family)
