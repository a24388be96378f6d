import pytest
import torch

from shared.synth import synthesise
from training import data
from training.config import DataConfig
from training.data import SyntheticSamples, severity_at, training_loader
from training.sets import (
    MONITOR_SEEDS,
    STRATA_SEEDS,
    VAL_SEEDS,
    clean_cases,
    strata_cases,
    training_seed,
    val_cases,
)

SMALL = DataConfig(size=64, workers=0)


def test_training_meets_no_scene_that_is_scored():
    blocks = [VAL_SEEDS, STRATA_SEEDS, MONITOR_SEEDS]
    assert sum(len(block) for block in blocks) == len(set().union(*blocks))
    first_of_all = training_seed(run_seed=0, index=0)
    assert first_of_all > max(block[-1] for block in blocks)


def test_runs_share_no_sample():
    assert training_seed(0, 10**9) < training_seed(1, 0)


def test_the_sets_are_the_benchmark_s():
    assert len(val_cases()) == len(clean_cases()) == 2000
    assert [case.seed for case in val_cases()] == [case.seed for case in clean_cases()]
    assert {case.noise for case in val_cases()} == {None}
    assert {case.severity for case in val_cases()} == {1.0}
    strata = {(kind, strength): cases for kind, strength, cases in strata_cases()}
    assert len(strata) == 6 + 4 + 3 + 5
    assert all(len(cases) == 200 for cases in strata.values())
    (step,) = strata["gaussian", 1.8][0].noise.steps
    assert (step.kind, step.strength) == ("gaussian", 1.8)


def test_a_sample_is_a_standardised_image_and_its_truth():
    image, truth = SyntheticSamples(SMALL, run_seed=0, count=5)[3]
    assert image.shape == truth.shape == (1, 64, 64)
    assert image.dtype == truth.dtype == torch.float32
    assert image.mean().item() == pytest.approx(0, abs=1e-4)
    assert image.std(correction=0).item() == pytest.approx(1, abs=1e-3)
    assert set(truth.unique().tolist()) == {0.0, 1.0}


def test_the_stated_share_of_samples_is_clean(monkeypatch):
    kinds = []

    def recording(seed, *, noise, **others):
        kinds.append(noise)
        return synthesise(seed, noise=noise, **others)

    monkeypatch.setattr(data, "synthesise", recording)
    samples = list(SyntheticSamples(DataConfig(size=64, clean_share=0.3), run_seed=0, count=200))
    assert len(samples) == len(kinds) == 200
    assert set(kinds) == {"none", None}
    assert kinds.count("none") / 200 == pytest.approx(0.3, abs=0.1)


def test_the_severity_ramps_up():
    config = DataConfig(severity=0.8, ramp_images=100, ramp_start=0.25)
    assert severity_at(0, config) == pytest.approx(0.2)
    assert severity_at(50, config) == pytest.approx(0.5)
    assert severity_at(100, config) == severity_at(10**6, config) == 0.8
    assert severity_at(0, DataConfig(severity=0.8)) == 0.8


def test_worker_processes_give_the_same_batches_in_the_same_order():
    alone = list(training_loader(SMALL, 0, count=9, batch_size=4))
    shared = list(training_loader(SMALL.model_copy(update={"workers": 2}), 0, count=9, batch_size=4))
    assert len(alone) == len(shared) == 2  # the incomplete batch is dropped
    for (image, truth), (same_image, same_truth) in zip(alone, shared, strict=True):
        torch.testing.assert_close(image, same_image, rtol=0, atol=0)
        torch.testing.assert_close(truth, same_truth, rtol=0, atol=0)
