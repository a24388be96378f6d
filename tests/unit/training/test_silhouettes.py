import numpy as np
import pytest

from shared.synth import find_definition
from shared.synth.blobs import is_accepted
from training.evaluation.scoring import generate
from training.evaluation.sets import SILHOUETTES, EvaluationCase, shapes_cases
from training.evaluation.silhouettes import LETTERS, silhouette

DOTBLOB = find_definition("dotblob-v1")


@pytest.mark.parametrize("kind", SILHOUETTES)
def test_silhouettes_are_of_the_benchmark_s_sizes_and_differ(kind):
    masks = [silhouette(kind, np.random.default_rng(seed), DOTBLOB, 256) for seed in range(12)]
    for mask in masks:
        assert is_accepted(mask, (0.03, 0.45))
        rows, columns = np.nonzero(mask)
        assert min(rows.min(), columns.min()) >= 7
        assert max(rows.max(), columns.max()) <= 256 - 8
    assert len({mask.tobytes() for mask in masks}) == 12


def test_every_letter_has_one_contour(monkeypatch):
    for letter in LETTERS:
        monkeypatch.setattr("training.evaluation.silhouettes.LETTERS", letter)
        assert silhouette("letter", np.random.default_rng(0), DOTBLOB, 256).any()


def test_the_set_has_every_kind_filled_with_dots_under_noise():
    cases = shapes_cases(8)
    assert {case.shape for case in cases} == set(SILHOUETTES)
    for case in cases:
        sample = generate(case, DOTBLOB)
        assert sample.image.shape == sample.mask.shape == (512, 512)
        assert 15 <= len(sample.scene.dot_centres) <= 80
        assert sample.noise.steps
        centres = np.clip(np.array(sample.scene.dot_centres).astype(int), 0, 511)
        assert sample.mask[centres[:, 1], centres[:, 0]].mean() > 0.5


def test_a_case_is_the_same_every_time():
    case = shapes_cases(1)[0]
    assert np.array_equal(generate(case, DOTBLOB).image, generate(case, DOTBLOB).image)
    clean = generate(EvaluationCase(case.seed, "none", shape=case.shape), DOTBLOB)
    assert np.array_equal(clean.mask, generate(case, DOTBLOB).mask)
    assert not clean.noise.steps
