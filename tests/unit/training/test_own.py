"""Training on images of one's own: what is chosen from them, and a run from the folder to the checkpoint."""

import json
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import training
from shared.errors import UsageError
from shared.net.checkpoint import load_checkpoint
from training import train
from training.beginning import alone_in
from training.config import check_config
from training.data.augmentation import bend, relight
from training.data.config import AugmentationConfig, DataConfig
from training.data.open import NoiseLevel, open_data
from training.recipe.fingerprint import choose
from training.recipe.precision import training_precision
from training.run.interruption import Interruption, StopNow
from training.run.remaining import Remaining, in_words

OWN = Path(training.__file__).parent / "configs" / "own.yaml"


def survey_of(count, shape, object_px, share=0.1, colour=0.0):
    signs = SimpleNamespace(object_px=object_px)
    facts = tuple(SimpleNamespace(shape=shape, foreground=share, signs=signs, colour=colour) for _ in range(count))
    return SimpleNamespace(facts=facts, layout=SimpleNamespace(pairs=facts, folder=Path("my pairs")))


def chosen(survey, has_gpu=False, **given):
    return {choice.key: choice.value for choice in choose(given, survey, has_gpu=has_gpu)}


def test_the_config_follows_the_images():
    nuclei = chosen(survey_of(12, (128, 128), 17))
    assert nuclei["data.size"] == 128
    assert nuclei["model.arguments"]["stem"] == 2
    assert nuclei["name"] == "my-pairs"
    particles = chosen(survey_of(40, (512, 512), 4, share=0.001))
    assert particles["model.arguments"]["stem"] == 1
    assert particles["data.foreground_share"] > nuclei["data.foreground_share"]
    colonies = chosen(survey_of(2000, (3000, 4000), 300))
    assert colonies["data.size"] == 512
    assert colonies["data.validation_samples"] < 20
    assert colonies["data.augmentation"]["bend"] < nuclei["data.augmentation"]["bend"]
    assert chosen(survey_of(12, (128, 128), 17), has_gpu=True)["model.arguments"]["base"] == 64


def test_three_channels_are_taken_where_colour_says_something():
    key = "model.arguments.in_channels"
    assert chosen(survey_of(12, (128, 128), 17))[key] == 1
    assert chosen(survey_of(12, (128, 128), 17, colour=0.003))[key] == 1  # a tint
    assert chosen(survey_of(12, (128, 128), 17, colour=0.3))[key] == 3
    assert key not in chosen(survey_of(12, (128, 128), 17, colour=0.3), **{key: 1})
    assert key not in chosen(survey_of(12, (128, 128), 17, colour=0.3), **{"model.arguments.likelihood": True})


@pytest.mark.parametrize("shape", [(20, 30), (64, 5000), (333, 333)])
def test_any_choice_is_a_config_that_fits_its_network(shape):
    settings = {"data": {"kind": "folder", "folder": "x"}}
    overrides = [f"{key}={json.dumps(value)}" for key, value in chosen(survey_of(3, shape, 0)).items()]
    config = check_config(settings, overrides, "own")
    arguments = config.model.arguments
    assert config.data.size % (arguments["stem"] * 2 ** (arguments["levels"] - 1)) == 0


def test_what_is_given_is_not_chosen():
    given = {"data.size": 256, "model.arguments.base": 8, "budget.epochs": 3}
    found = chosen(survey_of(12, (128, 128), 17), **given)
    assert not {"data.size", "model.arguments", "budget.max_images"} & found.keys()
    assert found["optimiser.batch_size"] == 8


def test_bending_moves_image_and_mask_alike_and_light_keeps_its_place():
    rows, columns = np.indices((200, 200))
    mask = np.hypot(rows - 90, columns - 110) < 40
    image = np.where(mask, np.float32(2), np.float32(-1))
    shares = set()
    for seed in range(8):
        bent, inside = bend(image, mask, (100, 100), 128, np.random.default_rng(seed))
        assert bent.shape == inside.shape == (128, 128)
        assert ((bent > 0.5) == inside).mean() > 0.98
        shares.add(round(float(inside.mean()), 2))
    assert len(shares) > 3
    all_of_them = AugmentationConfig(gain=1, gamma=1, blur=1, noise=1)
    lit = relight(image, all_of_them, np.random.default_rng(0))
    assert lit.dtype == np.float32
    assert lit[mask].mean() > lit[~mask].mean() + 1
    assert not np.allclose(lit, image)
    assert np.array_equal(relight(image, AugmentationConfig(), np.random.default_rng(0)), image)


def write_pairs(folder, count=8, radius=9, side=96):
    rows, columns = np.indices((side, side))
    for index in range(count):
        rng = np.random.default_rng(index)
        row, column = rng.uniform(radius, side - radius, 2)
        mask = np.hypot(rows - row, columns - column) < radius
        image = np.clip(60 + 120 * mask + rng.normal(0, 10, mask.shape), 0, 255).astype(np.uint8)
        for part, content in (("images", image), ("masks", mask.astype(np.uint8) * 255)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(folder / part / f"{index}.png")
    return folder


def test_samples_hold_foreground_where_that_is_asked_for(tmp_path):
    folder = write_pairs(tmp_path, radius=3, side=512)
    shares = []
    for share in (0.0, 1.0):
        config = DataConfig(kind="folder", folder=folder, size=64, samples=64, foreground_share=share)
        source = open_data(config, seed=0, batch_size=8, device=torch.device("cpu"))
        masks = torch.cat([batch.masks for batch in source.batches(1, NoiseLevel())])
        shares.append(float(masks.flatten(1).any(1).float().mean()))
    assert shares[0] < 0.3
    assert shares[1] == 1


def test_a_network_of_ones_own_images(tmp_path, capsys, no_pictures):
    folder = write_pairs(tmp_path / "my-pairs")
    out = tmp_path / "run"
    short = (
        "data.size=64",
        "data.samples=64",
        "budget.max_images=96",
        "model.arguments.base=4",
        "threads=1",
        "precision=fp32",
        "validation.first_minutes=0.0001",  # after the first step, however fast the machine
    )
    words = [word for each in short for word in ("--set", each)]
    command = ["--config", str(OWN), "--data", str(folder), "--out", str(out), "--device", "cpu", *words]
    assert train.main(command) == 0
    said = capsys.readouterr().out
    for told in (
        "8 pairs of 96×96 px, foreground 2.7%",
        "masks   values: foreground is 255 of 0 and 255",
        "model.architecture = unet: no stem or table for dots",
        "left",
    ):
        assert told in said
    assert "data.size =" not in said
    assert (out / "pairs.png").is_file()
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert len(records) >= 2
    assert max(record["val_dice"] for record in records) > 0
    loaded = load_checkpoint(out)
    assert loaded.metadata.training["config"]["name"] == "my-pairs"
    assert set(loaded.metadata.training["held_out"]) <= {str(number) for number in range(8)}
    assert len(loaded.metadata.training["held_out"]) == 2
    assert train.main(command) == 2
    assert "holds a finished run" in capsys.readouterr().err


def test_a_config_for_ones_own_images_asks_for_them(capsys):
    assert train.main(["--config", str(OWN)]) == 2
    assert "name their folder by --data FOLDER" in capsys.readouterr().err


def test_an_unknown_key_is_refused_before_the_images_are_looked_at(tmp_path, capsys):
    assert train.main(["--config", str(OWN), "--data", str(tmp_path / "nowhere"), "--set", "data.sise=64"]) == 2
    assert "data.sise" in capsys.readouterr().err


def test_automatic_precision_is_one_that_this_machine_has():
    assert training_precision("auto", torch.device("cpu")) in (torch.float32, torch.bfloat16)
    assert training_precision("fp32", torch.device("cpu")) == torch.float32


def test_what_is_left_counts_validations_and_the_end():
    config = check_config(
        {
            "name": "x",
            "model": {"architecture": "unet"},
            "budget": {"max_images": 1000},
            "validation": {"every_minutes": 1},
            "calibration": {"images": 30},
        },
        (),
        "x",
    )
    remaining = Remaining(config, held_out=30)
    assert remaining.seconds(0, 1000, 100, 0.0) is None
    assert in_words(None) == ""
    remaining.stepped(10, 10.0)
    before = remaining.seconds(400, 1000, 100, 400.0)
    remaining.validated(20.0)
    # 600 images of a second, a validation every minute and one at the end, calibration, and pictures.
    assert remaining.seconds(400, 1000, 100, 400.0) == pytest.approx(600 + 10 * 20 + 20 + 10 + 4)
    assert before == pytest.approx(600 + 11 * 10 + 10 + 4)
    limited = Remaining(config.model_copy(update={"budget": config.budget.model_copy(update={"max_minutes": 10})}), 30)
    limited.stepped(10, 10.0)
    limited.validated(20.0)
    assert limited.seconds(400, 1000, 100, 400.0) == pytest.approx(200 + 20 + 10 + 4)
    assert in_words(600) == "about 10 min left"


def test_a_signal_ends_at_once_what_can_be_ended():
    with Interruption() as interruption:
        with pytest.raises(StopNow), interruption.at_once():
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(StopNow), interruption.at_once():
            raise AssertionError("begun although it was asked to stop")
        assert interruption.signal_name == "SIGINT"
    with Interruption() as interruption:
        with interruption.at_once(False):
            signal.raise_signal(signal.SIGTERM)
        assert interruption.asked()


def test_two_runs_do_not_share_a_folder(tmp_path):
    out = tmp_path / "run"
    with alone_in(out), pytest.raises(UsageError, match="another process trains in"), alone_in(out):
        pass
    with alone_in(out):
        assert not list(out.iterdir())
