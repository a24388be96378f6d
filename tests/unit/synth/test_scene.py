import json

import numpy as np
import pytest

from shared.errors import UsageError
from shared.synth.dotblob import DOTBLOB_V1, DotBlobScene
from shared.synth.dots import render_dots


def sample_scene(rng, size=512, **replaced):
    return DOTBLOB_V1.sample_scene(rng, size=size, **replaced)


SCENES = [sample_scene(np.random.default_rng(seed)) for seed in range(120)]


def spread(values, low, high):
    """All values within [low, high], and the ends nearly reached."""
    width = high - low
    return min(values) >= low and max(values) <= high and np.ptp(values) > 0.9 * width


def test_every_draw_keeps_to_its_range_and_fills_it():
    assert spread([len(scene.dot_radii) for scene in SCENES], 15, 80)
    assert spread([scene.jitter for scene in SCENES], 0.0, 0.02)
    assert spread([scene.background for scene in SCENES], 0.05, 0.25)
    assert spread([scene.contrast for scene in SCENES], 0.5, 0.75)
    assert spread([radius for scene in SCENES for radius in scene.dot_radii], 2, 6)
    assert spread([amplitude for scene in SCENES for amplitude in scene.dot_amplitudes], 0.6, 1.0)


def test_every_mask_covers_3_to_45_percent():
    shares = [scene.render().mask.mean() for scene in SCENES]
    assert min(shares) >= 0.03
    assert max(shares) <= 0.45


def test_dots_lie_in_the_mask_and_move_by_the_jitter():
    still = sample_scene(np.random.default_rng(7), jitter=0.0, num_dots=400)
    mask = still.render().mask
    columns, rows = np.floor(np.array(still.dot_centres)).astype(int).T
    assert mask[rows, columns].all()
    moved = sample_scene(np.random.default_rng(7), jitter=0.01, num_dots=400)
    difference = np.array(moved.dot_centres) - np.array(still.dot_centres)
    assert difference.std() == pytest.approx(0.01 * 512, rel=0.1)


def test_the_clean_image_is_background_plus_contrast_times_amplitude():
    scene = DotBlobScene(
        size=64,
        control_points=((16.0, 16.0), (48.0, 16.0), (48.0, 48.0), (16.0, 48.0)),
        dot_centres=((20.5, 30.5), (22.5, 30.5)),
        dot_radii=(3.0, 2.0),
        dot_amplitudes=(0.6, 1.0),
        jitter=0.0,
        background=0.1,
        contrast=0.5,
    )
    clean = scene.render().clean
    assert clean[5, 5] == pytest.approx(0.1)
    assert clean[30, 18] == pytest.approx(0.1 + 0.5 * 0.6)  # in the first dot alone
    assert clean[30, 22] == pytest.approx(0.1 + 0.5 * 1.0)  # in both: the maximum, not the sum
    assert clean.max() <= 0.6 + 1e-6


def test_a_disc_is_antialiased_and_has_its_area():
    disc = render_dots(np.array([[32.3, 31.8]]), np.array([5.0]), np.array([1.0]), (64, 64))
    assert disc.sum() == pytest.approx(np.pi * 25, rel=0.01)
    assert ((disc > 0) & (disc < 1)).any()


def test_a_dot_over_the_edge_is_cut_off():
    half = render_dots(np.array([[0.0, 32.0]]), np.array([4.0]), np.array([1.0]), (64, 64))
    assert half.sum() == pytest.approx(np.pi * 16 / 2, rel=0.02)
    assert render_dots(np.array([[-50.0, 700.0]]), np.array([4.0]), np.array([1.0]), (64, 64)).sum() == 0


def test_a_number_of_dots_replaces_that_draw_alone():
    drawn = sample_scene(np.random.default_rng(4))
    fixed = sample_scene(np.random.default_rng(4), num_dots=40, jitter=0.005)
    assert len(fixed.dot_centres) == len(fixed.dot_radii) == 40
    assert fixed.jitter == 0.005
    assert fixed.control_points == drawn.control_points
    assert (fixed.background, fixed.contrast) == (drawn.background, drawn.contrast)


def test_parameters_survive_json_and_render_the_same():
    scene = SCENES[0]
    copy = DotBlobScene.from_dict(json.loads(json.dumps(scene.to_dict())))
    assert copy == scene
    np.testing.assert_array_equal(copy.render().clean, scene.render().clean)


@pytest.mark.parametrize(
    "arguments", [{"size": 63}, {"size": 5000}, {"num_dots": 0}, {"jitter": -0.1}, {"jitter": float("nan")}]
)
def test_what_makes_no_scene_is_refused(arguments):
    with pytest.raises(UsageError):
        sample_scene(np.random.default_rng(0), **arguments)


def test_the_definition_is_dotblob_v1():
    assert DOTBLOB_V1.name == "dotblob-v1"
    assert DOTBLOB_V1.canvas_px == 512
