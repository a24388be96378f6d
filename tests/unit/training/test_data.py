import itertools
from dataclasses import replace

import pytest
import torch

from shared.synth import DEFINITIONS, find_definition
from training.data.open import DataConfig, NoiseLevel, open_data
from training.data.seeds import (
    GENERATED_SEEDS_START,
    MONITOR_SEEDS,
    ORACLE_SEEDS,
    SHAPES_SEEDS,
    STRATA_SEEDS,
    VAL_SEEDS,
    training_seed,
)
from training.evaluation.sets import clean_cases, shapes_cases, strata_cases, val_cases

DOTBLOB = find_definition("dotblob-v1")
SMALL = DataConfig(size=64, samples=12, validation_samples=5, workers=0)
HARD = NoiseLevel(scale=0.7, mixed_prob=0.4)


def opened(config=SMALL, **changes):
    return open_data(config, **{"seed": 0, "batch_size": 4, "device": torch.device("cpu"), **changes})


def images(batches):
    return torch.cat([batch.images for batch in batches])


def test_training_meets_no_scene_that_is_scored():
    blocks = [VAL_SEEDS, STRATA_SEEDS, SHAPES_SEEDS, ORACLE_SEEDS, MONITOR_SEEDS]
    assert sum(len(block) for block in blocks) == len(set().union(*blocks))
    assert training_seed(run_seed=0, index=0) > max(block[-1] for block in blocks)
    assert training_seed(run_seed=2**16 - 1, index=2**40 - 1) < GENERATED_SEEDS_START


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
    assert len(shapes_cases()) == 200
    assert {case.severity for case in shapes_cases()} == {0.5}


def test_a_batch_is_standardised_images_and_their_truth():
    batch = next(opened().batches(0, HARD))
    assert batch.images.shape == batch.masks.shape == (4, 1, 64, 64)
    assert batch.images.dtype == batch.masks.dtype == torch.float32
    assert batch.images.mean((1, 2, 3)).tolist() == pytest.approx([0] * 4, abs=1e-4)
    assert batch.images.std((1, 2, 3), correction=0).tolist() == pytest.approx([1] * 4, abs=1e-3)
    assert set(batch.masks.unique().tolist()) == {0.0, 1.0}


def test_an_epoch_resumes_at_any_batch():
    source = opened()
    assert source.batches_per_epoch == 3
    whole = list(source.batches(2, HARD))
    rest = list(opened().batches(2, HARD, start=1))
    assert len(whole) == 3
    assert torch.equal(images(whole[1:]), images(rest))


def test_epochs_runs_and_noise_levels_differ():
    first = images(opened().batches(0, HARD))
    assert not torch.equal(first, images(opened().batches(1, HARD)))
    assert not torch.equal(first, images(opened(seed=1).batches(0, HARD)))
    assert not torch.equal(first, images(opened().batches(0, NoiseLevel(0.1, 0.0))))


def test_two_processes_see_between_them_what_one_would():
    alone = images(opened(batch_size=4).batches(0, HARD))
    parts = [opened(batch_size=2, rank=rank, world_size=2) for rank in (0, 1)]
    together = itertools.chain.from_iterable(zip(*(part.batches(0, HARD) for part in parts), strict=True))
    assert torch.equal(alone, images(together))
    held_out = images(opened(batch_size=2).validation()["val"])
    halves = [list(part.validation()["val"]) for part in parts]
    assert sorted(len(batch.images) for half in halves for batch in half) == [1, 2, 2]
    assert torch.equal(held_out, images([halves[0][0], halves[1][0], halves[0][1]]))


def test_processes_that_synthesise_give_the_same_batches_in_the_same_order():
    working = SMALL.model_copy(update={"workers": 2})
    assert torch.equal(images(opened().batches(0, HARD)), images(opened(working).batches(0, HARD)))


def test_the_stated_share_of_training_samples_is_inverted():
    plain = images(opened().batches(0, HARD))
    config = SMALL.model_copy(update={"inverted_share": 0.5})
    inverted = images(opened(config).batches(0, HARD))
    signs = [1 if torch.equal(a, b) else -1 for a, b in zip(plain, inverted, strict=True)]
    assert set(signs) == {1, -1}
    assert torch.equal(plain * torch.tensor(signs)[:, None, None, None], inverted)
    assert torch.equal(images(opened(config).validation()["val"]), images(opened().validation()["val"]))


def test_validation_is_fixed_and_has_the_same_scenes_clean():
    sets = opened().validation()
    assert sets.keys() == {"val", "clean"}
    assert torch.equal(images(sets["val"]), images(opened(seed=5).validation()["val"]))
    masks = [torch.cat([batch.masks for batch in sets[name]]) for name in ("val", "clean")]
    assert len(masks[0]) == 5
    assert torch.equal(*masks)
    assert not torch.equal(images(sets["val"]), images(sets["clean"]))


def test_the_config_names_the_definition(monkeypatch):
    large = replace(DOTBLOB, name="large-v1", base_radius=(0.33, 0.34), radius_factor=(1.0, 1.0))
    monkeypatch.setitem(DEFINITIONS, "large-v1", large)
    batches = opened(SMALL.model_copy(update={"definition": "large-v1"})).batches(1, HARD)
    shares = torch.cat([batch.masks for batch in batches]).mean((1, 2, 3))
    assert ((shares > 0.29) & (shares < 0.37)).all()
    usual = torch.cat([batch.masks for batch in opened().batches(1, HARD)]).mean((1, 2, 3))
    assert usual.min() < 0.2
    with pytest.raises(ValueError, match="use one of dotblob-v1"):
        DataConfig(definition="dotblob-v0")


@pytest.mark.parametrize("arguments", [{"kind": "folder"}, {"folder": "x"}, {"kind": "cloud"}, {"size": 100}])
def test_a_config_that_makes_no_sense_is_refused(arguments):
    with pytest.raises(ValueError, match=r"folder|kind|multiple"):
        DataConfig(**arguments)
