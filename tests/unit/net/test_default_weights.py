from pathlib import Path

import numpy as np
import pytest

import shared
from shared.images.metrics import dice
from shared.net.predictor import Predictor
from shared.synth import definition_hash, find_definition, synthesise

DEFAULT = Path(shared.__file__).parent / "weights" / "default"
SEEDS = range(2_300_000_000, 2_300_000_006)  # in no block of training's


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(DEFAULT, device="cpu")


def test_the_weights_are_small_enough_for_the_repository():
    assert sum(path.stat().st_size for path in DEFAULT.iterdir()) <= 10 * 2**20


def test_they_say_how_they_were_made(predictor):
    metadata = predictor.metadata
    assert metadata.training["command"].startswith("python -m training.average ")
    assert metadata.data_definition["name"] == "dotblob-v1"
    assert metadata.data_definition["sha256"] == definition_hash(find_definition("dotblob-v1"))
    assert metadata.parameters < 4_000_000


def mean_dice(predictor, **noise):
    scores = []
    for seed in SEEDS:
        sample = synthesise(seed, **noise)
        mask = predictor.predict_image(sample.image.astype(np.float32)) >= predictor.threshold
        scores.append(dice(mask, sample.mask))
    return np.mean(scores)


def test_they_segment_unseen_clean_scenes(predictor):
    assert mean_dice(predictor, noise="none") >= 0.85


def test_they_segment_unseen_noisy_scenes(predictor):
    assert mean_dice(predictor, severity=0.5) >= 0.80


@pytest.mark.parametrize(
    ("noise", "floor"), [({"noise": "none"}, 0.87), ({"severity": 0.25}, 0.87), ({"severity": 0.5}, 0.83)]
)
def test_they_segment_images_smaller_than_a_tile(predictor, noise, floor):
    assert mean_dice(predictor, size=256, num_dots=30, **noise) >= floor


def test_they_segment_images_narrower_than_a_tile(predictor):
    scores = []
    for seed in SEEDS:
        sample = synthesise(seed, severity=0.25)
        narrow, truth = sample.image[:, 56:456].astype(np.float32), sample.mask[:, 56:456]
        scores.append(dice(predictor.predict_image(narrow) >= predictor.threshold, truth))
    assert np.mean(scores) >= 0.87
