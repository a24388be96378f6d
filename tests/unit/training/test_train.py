import numpy as np
import pytest
import torch
from PIL import Image

from shared.net.architectures import build
from shared.net.checkpoint import load_checkpoint
from tests.unit.training.conftest import SMOKE, records, run_tiny, settings
from training import train
from training.data.config import DataConfig
from training.recipe import loop
from training.recipe.averaging import AveragedWeights
from training.recipe.losses import segmentation_loss
from training.recipe.provenance import data_definition


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run of a few seconds."""
    out = tmp_path_factory.mktemp("smoke")
    more = ["data.samples=128", "model.arguments.base=8", "watch.grace_images=128", "watch.every_images=64"]
    assert run_tiny(out, *more) == 0
    return out


def test_training_lowers_the_loss_and_raises_dice(trained):
    first, *_, last = records(trained)
    assert (first["epoch"], last["epoch"], last["images"]) == (1, 3, 384)
    assert last["dice"] < 0.95 * first["dice"]
    assert last["val_dice"] > 0.45  # all foreground is about 0.3


def test_every_epoch_reports_scores_phase_and_weights(trained):
    for record in records(trained):
        for score in ("val_dice", "clean_dice", "val_iou", "val_precision", "val_recall", "foreground"):
            assert 0 <= record[score] <= 1
        expected = record["dice"] + record["bce"] * record["beta"] + record["gamma"] * record["boundary"]
        assert record["loss"] == pytest.approx(expected, rel=0.1)  # the weights move within the epoch
    assert [record["phase"] for record in records(trained)] == ["easy", "easy", "medium"]
    assert [record["gamma"] for record in records(trained)] == [0, 0, 0.25]


def test_the_run_leaves_pictures_and_tensorboard_s_files(trained):
    for name in ("losses", "dice", "noise", "samples"):
        with Image.open(trained / "plots" / f"{name}.png") as picture:
            assert min(picture.size) > 200
            assert len(picture.convert("L").getcolors()) > 2
    (events,) = (trained / "tensorboard").iterdir()
    assert b"validation/val_dice" in events.read_bytes()


def test_the_checkpoint_explains_itself(trained):
    metadata = load_checkpoint(trained).metadata
    training = metadata.training
    assert training["command"].startswith("python -m training.train --config")
    assert "data.size=64" in training["command"]
    assert training["config"]["data"]["size"] == 64
    assert (training["images"], training["epoch"]) == (384, 3)
    assert metadata.data_definition == data_definition(DataConfig())
    assert metadata.metrics["monitor"] == records(trained)[-1]


def test_training_goes_on_from_a_checkpoint(trained, tmp_path, capsys, no_pictures):
    few = ["data.samples=16", "budget={max_images: 16}", "optimiser.lr=1e-6", "seed=1", "model.arguments.base=8"]
    free = ["curriculum={}", "loss={}", "optimiser.warmup_epochs=null", "optimiser.ema_decay=0"]
    assert train.main([*settings(*few, *free), "--init", str(trained), "--out", str(tmp_path)]) == 0
    assert load_checkpoint(tmp_path).metadata.training["started_from"]["sha256"] == load_checkpoint(trained).sha256
    (record,) = records(tmp_path)
    assert record["val_dice"] == pytest.approx(records(trained)[-1]["val_dice"], abs=0.1)

    assert train.main([*settings("model.arguments.base=16"), "--init", str(trained), "--out", str(tmp_path / "x")]) == 2
    assert "make them equal" in capsys.readouterr().err


def test_short_forms_override_the_config(tmp_path, no_pictures):
    short = ["--lr", "1e-4", "--batch-size", "16", "--epochs", "1", "--seed", "7"]
    assert train.main([*settings(), *short, "--out", str(tmp_path)]) == 0
    config = load_checkpoint(tmp_path).metadata.training["config"]
    assert (config["optimiser"]["lr"], config["optimiser"]["batch_size"]) == (1e-4, 16)
    assert (config["budget"]["epochs"], config["seed"]) == (1, 7)


def test_a_collapse_to_blank_masks_stops_within_an_epoch_with_the_reason(tmp_path, capsys, monkeypatch):
    def towards_blank(logits, target, weights):
        return segmentation_loss(logits, torch.zeros_like(target), weights)

    monkeypatch.setattr(loop, "segmentation_loss", towards_blank)
    watch = ["watch.grace_images=400", "watch.every_images=100", "data.samples=1000", "optimiser.lr=0.05"]
    assert run_tiny(tmp_path, *watch) == 3
    error = capsys.readouterr().err
    assert "the masks are blank" in error
    assert error.count("\n") == 1


def test_a_loss_that_is_no_number_stops_with_the_reason(tmp_path, capsys, monkeypatch):
    def broken(logits, target, weights):
        terms = segmentation_loss(logits, target, weights)
        return terms._replace(total=terms.total * float("nan"))

    monkeypatch.setattr(loop, "segmentation_loss", broken)
    assert run_tiny(tmp_path, "watch.grace_images=8", "watch.every_images=8") == 3
    expected = "error: the network answers no finite numbers for held-out samples: lower optimiser.lr\n"
    assert capsys.readouterr().err == expected


def test_early_stopping_keeps_the_best_weights(tmp_path, no_pictures):
    still = ["optimiser.lr=1e-12", "validation={keep: best, patience: 2, min_delta: 0.5}", "budget={epochs: 4}"]
    assert run_tiny(tmp_path, *still) == 0
    found = records(tmp_path)
    assert len(found) == 3  # the first is better than nothing, the next two are not
    best = max(found, key=lambda record: record["val_dice"])
    assert load_checkpoint(tmp_path).metadata.metrics["monitor"]["val_dice"] == best["val_dice"]
    assert train.main(["--resume", str(tmp_path), "--device", "cpu"]) == 0
    assert records(tmp_path) == found  # it was over


@pytest.mark.parametrize("option", ["optimiser.accumulation=2", "channels_last=false"])
def test_how_a_step_is_computed_changes_nothing_but_rounding_and_batch_statistics(option, tmp_path, no_pictures):
    plain = ["model.arguments.dropout=0", "budget={epochs: 1}", "optimiser.warmup_epochs=null", "loss={}"]
    assert run_tiny(tmp_path / "a", *plain) == 0
    assert run_tiny(tmp_path / "b", *plain, option) == 0
    (one,), (other,) = records(tmp_path / "a"), records(tmp_path / "b")
    assert one["images"] == other["images"]
    assert one["loss"] == pytest.approx(other["loss"], rel=0.03)


def test_the_network_is_compiled_where_the_config_asks_for_it(tmp_path, no_pictures, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda net: compiled.append(net) or net)
    assert run_tiny(tmp_path, "compile=true", "budget={epochs: 1}") == 0
    assert len(compiled) == 1


def write_pairs(folder, count):
    """Bright discs and their masks, as PNG files."""
    rows, columns = np.mgrid[:80, :80]
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        inside = (rows - 30 - number) ** 2 + (columns - 40) ** 2 < 300
        Image.fromarray((inside * 150 + 50).astype(np.uint8)).save(folder / "images" / f"{number}.png")
        Image.fromarray((inside * 255).astype(np.uint8)).save(folder / "masks" / f"{number}.png")


def test_a_folder_of_pairs_is_trained_on_and_its_files_are_the_definition(tmp_path, capsys):
    write_pairs(tmp_path / "pairs", 20)
    data = f"data={{kind: folder, folder: {tmp_path / 'pairs'}, size: 64, samples: 32}}"
    assert run_tiny(tmp_path / "run", data) == 0
    assert records(tmp_path / "run")[-1].keys() >= {"val_dice", "val_recall"}
    assert "clean_dice" not in records(tmp_path / "run")[-1]
    definition = load_checkpoint(tmp_path / "run").metadata.data_definition
    assert (definition["name"], definition["values"]) == ("folder pairs", {"pairs": 20})
    assert (tmp_path / "run" / "plots" / "samples.png").exists()
    assert not (tmp_path / "run" / "plots" / "noise.png").exists()

    for name in ("images", "masks"):
        (tmp_path / "pairs" / name / "19.png").unlink()
    assert train.main(["--resume", str(tmp_path / "run")]) == 2
    assert "data_definition.values.pairs: 20, now 19" in capsys.readouterr().err


def test_bfloat16_trains(tmp_path, no_pictures):
    assert run_tiny(tmp_path, "precision=bf16", "budget={epochs: 1}") == 0
    assert records(tmp_path)[0]["loss"] < 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "--config FILE"),
        (["--config", "missing.yaml"], "cannot be read"),
        (["--config", str(SMOKE), "--set", "speed=1"], "speed"),
        (["--config", str(SMOKE), "--lr", "fast"], "optimiser.lr"),
        (["--config", str(SMOKE), "--set", "model.architecture=transformer"], "no architecture"),
        (["--config", str(SMOKE), "--set", "data.samples=4"], "fewer samples than a step"),
        (["--config", str(SMOKE), "--set", "precision=fp16", "--device", "cpu"], "fp16"),
        (["--config", str(SMOKE), "--device", "tpu"], "tpu"),
        (["--resume", "nowhere"], "no training state"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_code_2(arguments, reason, capsys, tmp_path):
    assert train.main([*arguments, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


def test_the_average_follows_the_weights_and_the_statistics():
    net = build("unet", {"base": 4, "levels": 2})
    average = AveragedWeights(net, decay=0.5)
    before = net.head.bias.clone()
    with torch.no_grad():
        net.head.bias += 1
        net.encoder[0][1].running_mean += 1
    average.update()  # the first update's decay is 1 / 10
    torch.testing.assert_close(average.net.head.bias, before + 0.9)
    assert average.net.encoder[0][1].running_mean[0].item() == pytest.approx(0.9)
    for _ in range(40):
        average.update()
    torch.testing.assert_close(average.net.head.bias, net.head.bias)
    assert not average.net.training
