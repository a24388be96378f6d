"""What is worse than the model whose place it takes is not published under its name, and not activated."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from shared.db.model_registry import ModelRegistry
from shared.net.architectures import build
from shared.net.checkpoint import Metadata, save_checkpoint
from tests.unit.training.conftest import SMOKE
from tests.unit.training.pairs_made import binary, folder_of, save
from training import publish
from training.config import load_config
from training.recipe.provenance import describe_config

TINY = {"base": 2, "levels": 2, "stem": 4}


@pytest.fixture
def registry(own_services):
    return ModelRegistry(own_services.database, own_services.store)


@pytest.fixture
def pairs(tmp_path):
    return folder_of(tmp_path / "pairs", binary, count=4)


@pytest.fixture
def run(tmp_path, pairs):
    """Make the checkpoint of a run on the pairs: a good one marks all, which has some Dice, the other nothing."""

    def make(name, *, good, held_out=("0", "1"), folder=pairs, seed=0, **arguments):
        torch.manual_seed(seed)
        net = build("attention_unet", TINY | arguments)
        with torch.no_grad():
            net.head.bias.fill_(1.0 if good else -1.0)
        config = load_config(SMOKE, ["data.kind=folder", f"data.folder={folder}"])
        training = {"config": describe_config(config), "held_out": list(held_out)}
        save_checkpoint(tmp_path / name, net, Metadata("attention_unet", TINY | arguments, training=training))
        return tmp_path / name

    return make


@pytest.fixture(autouse=True)
def workers_own(run, own_services, monkeypatch):
    """Give the workers a model that is of no use: what is shipped finds these pairs, and takes its time."""
    monkeypatch.setenv("MODEL_PATH", str(run("shipped", good=False)))


def published(path, *more):
    return publish.main(["--checkpoint", str(path), "--name", "nuclei", *map(str, more)])


def test_what_is_worse_does_not_take_over_a_name(run, registry, capsys):
    assert published(run("good", good=True)) == 0
    assert published(run("bad", good=False), "--activate") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "error: not published, since it is worse: Dice 0.000 on 2 held-out pairs, the model that is "
    )
    assert line.endswith("--force publishes it all the same, another --name leaves that one its own")
    [kept] = registry.models()
    assert registry.active() is None
    assert published(run("bad", good=False), "--name", "other") == 0
    assert published(run("better", good=True, seed=1), "--activate") == 0
    assert registry.active().sha256 != kept.sha256
    told = capsys.readouterr().out
    assert "called nuclei has 0.1" in told
    assert "the workers' own model has 0.000" in told


def test_what_is_worse_is_not_activated_under_another_name_either(run, registry, capsys):
    assert published(run("good", good=True), "--activate", "--force") == 0
    active = registry.active()
    bad = run("bad", good=False)
    assert published(bad, "--name", "other", "--activate") == 2
    assert "error: not activated, since it is worse" in capsys.readouterr().err
    assert registry.active() == active
    # It is entered: to activate it now is another command, and is looked at again.
    assert published(bad, "--name", "other", "--activate") == 2
    assert published(bad, "--name", "other", "--activate", "--force") == 0
    assert registry.active().name == "other"


def test_it_is_compared_on_what_neither_was_trained_on(run, registry, capsys):
    assert published(run("good", good=True, held_out=("1", "2"))) == 0
    assert published(run("bad", good=False, held_out=("0", "1"))) == 2
    assert "on held-out pair, " in capsys.readouterr().err
    assert published(run("worse", good=False, held_out=("0", "3"))) == 0
    assert "not compared with the model that is called nuclei: no pair is known to be held" in capsys.readouterr().out
    assert len(registry.models()) == 2


def test_a_folder_that_was_moved_is_named(run, pairs, registry, capsys, tmp_path):
    assert published(run("good", good=True, held_out=("1",))) == 0
    bad = run("bad", good=False)
    shutil.move(pairs, tmp_path / "moved")
    assert published(bad) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("is not there: name it by --data FOLDER")
    assert published(bad, "--data", tmp_path / "moved") == 2
    assert "not published, since it is worse: Dice 0.000 on held-out pair" in capsys.readouterr().err
    assert published(bad, "--force") == 0
    assert len(registry.models()) == 2


def test_another_folder_asks_for_nothing_of_the_first(run, registry, pairs, tmp_path):
    """Nothing has the name, and the same weights again are no rival of theirs."""
    shutil.move(pairs, tmp_path / "moved")
    for _ in range(2):
        assert published(run("good", good=True)) == 0
    assert len(registry.models()) == 1


def test_a_model_that_does_not_take_these_images_is_no_rival(run, pairs, capsys):
    for path in (pairs / "images").iterdir():
        grey = np.asarray(Image.open(path))
        save(path, np.dstack([grey, grey // 2, 255 - grey]))
    assert published(run("good", good=True, in_channels=2)) == 0
    assert published(run("bad", good=False)) == 0
    assert "not compared with the model that is called nuclei: it takes other images" in capsys.readouterr().out
