import json
import math

import pytest

from training.config import ValidationConfig, WatchConfig
from training.run.watch import CollapseWatch, EarlyStopping, TrainingCollapsed

CONFIG = WatchConfig(every_images=100, grace_images=250, looks=2)
HEALTHY = {"loss": 0.5, "foreground": 0.2, "truth": 0.2, "clean_dice": 0.9}


def test_it_looks_after_a_grace_and_then_regularly():
    watch = CollapseWatch(CONFIG)
    assert [images for images in (100, 249, 250) if watch.is_due(images)] == [250]
    watch.look(256, **HEALTHY)
    assert not watch.is_due(355)
    assert watch.is_due(356)


@pytest.mark.parametrize(
    ("sign", "reason"),
    [
        ({"foreground": 0.001}, "the masks are blank .foreground 0.10% of the pixels, 20.00% in the truth"),
        ({"foreground": 0.99}, "the masks are full"),
        ({"foreground": 0.00002, "truth": 0.001}, "the masks are blank"),
        ({"foreground": 0.9995, "truth": 0.97}, "the masks are full"),
        ({"clean_dice": 0.1}, "Dice without noise is 0.100"),
        ({"clean_dice": 0.44}, "fell from 0.900 to 0.440"),
    ],
)
def test_the_second_bad_look_in_a_row_stops_with_the_reason(sign, reason):
    watch = CollapseWatch(CONFIG)
    watch.look(100, **HEALTHY)
    watch.look(200, **(HEALTHY | sign))
    watch.look(300, **HEALTHY)
    watch.look(400, **(HEALTHY | sign))
    with pytest.raises(TrainingCollapsed, match=reason) as caught:
        watch.look(500, **(HEALTHY | sign))
    assert "after 500 images" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_at_once(loss):
    with pytest.raises(TrainingCollapsed, match=f"the loss is {loss}"):
        CollapseWatch(CONFIG).look(100, **(HEALTHY | {"loss": loss}))


def test_without_clean_images_the_foreground_alone_is_watched():
    watch = CollapseWatch(CONFIG)
    for images in range(100, 1000, 100):
        watch.look(images, loss=0.5, foreground=0.2, truth=0.2, clean_dice=None)


@pytest.mark.parametrize(
    ("foreground", "truth"), [(0.0021, 0.0011), (0.0003, 0.0011), (0.956, 0.97), (0.99, 0.97), (0.0, 0.0), (1.0, 1.0)]
)
def test_sparse_and_dense_truths_are_no_collapse(foreground, truth):
    watch = CollapseWatch(WatchConfig(looks=1))
    watch.look(4000, loss=0.5, foreground=foreground, truth=truth, clean_dice=None)


def test_the_default_finds_a_collapse_within_the_seed_s_epoch():
    config = WatchConfig()
    assert config.looks * config.every_images < 5000


def test_early_stopping_waits_for_a_gain_that_counts():
    stopping = EarlyStopping(ValidationConfig(patience=3, min_delta=0.01))
    history = [(0.50, True), (0.60, True), (0.605, True), (0.604, False), (0.609, True)]
    over = []
    for dice, is_best in history:
        assert stopping.is_best(dice) is is_best
        over.append(stopping.is_over)
    assert over == [False, False, False, False, True]
    assert stopping.best == 0.609


def test_small_gains_add_up():
    stopping = EarlyStopping(ValidationConfig(patience=3, min_delta=0.01))
    for step in range(20):
        stopping.is_best(0.5 + 0.005 * step)
        assert not stopping.is_over


def test_without_patience_it_never_stops():
    stopping = EarlyStopping(ValidationConfig())
    for _ in range(100):
        stopping.is_best(0.1)
    assert not stopping.is_over


@pytest.mark.parametrize("validations", [0, 3])
def test_early_stopping_goes_on_from_its_state(validations):
    config = ValidationConfig(patience=3, min_delta=0.01)
    stopping, resumed = EarlyStopping(config), EarlyStopping(config)
    for dice in (0.5, 0.6, 0.605)[:validations]:
        stopping.is_best(dice)
    resumed.load_state_dict(json.loads(json.dumps(stopping.state_dict(), allow_nan=False)))
    assert resumed == stopping
    assert [resumed.is_best(dice) for dice in (0.604, 0.609)] == [stopping.is_best(dice) for dice in (0.604, 0.609)]


def test_the_collapse_watch_goes_on_from_its_state():
    watch, resumed = CollapseWatch(CONFIG), CollapseWatch(CONFIG)
    watch.look(256, **HEALTHY)
    watch.look(356, **(HEALTHY | {"clean_dice": 0.1}))
    resumed.load_state_dict(json.loads(json.dumps(watch.state_dict(), allow_nan=False)))
    assert resumed == watch
    assert (resumed.is_due(455), resumed.is_due(456)) == (False, True)
    with pytest.raises(TrainingCollapsed):
        resumed.look(456, **(HEALTHY | {"clean_dice": 0.1}))


@pytest.mark.parametrize("watcher", [CollapseWatch(CONFIG), EarlyStopping(ValidationConfig())])
def test_a_watcher_s_state_is_all_of_it_but_its_config(watcher):
    assert watcher.state_dict().keys() == vars(watcher).keys() - {"config"}
