import json
from pathlib import Path

import pytest
import torch

from shared.net.architectures import build
from shared.net.checkpoint import load_checkpoint
from training import evaluate, train
from training.loop import AveragedWeights

SMOKE = Path(train.__file__).parent / "configs" / "smoke.yaml"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint folder after forty steps of training, and the record of each."""
    out = tmp_path_factory.mktemp("smoke")
    overrides = ["data.size=64", "budget.max_images=320", "validation.every_minutes=1e-9", "threads=1"]
    arguments = [word for override in overrides for word in ("--set", override)]
    assert train.main(["--config", str(SMOKE), "--out", str(out), "--device", "cpu", *arguments]) == 0
    return out, [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_training_lowers_the_loss_and_raises_dice(trained):
    _, records = trained
    losses = [record["loss"] for record in records]  # validated after every step
    assert [record["images"] for record in records] == list(range(8, 321, 8))
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert records[-1]["val_dice"] > 0.35  # of a network that has not learnt: about 0.3, all foreground


def test_the_checkpoint_explains_itself(trained):
    out, records = trained
    model = load_checkpoint(out)
    training = model.metadata.training
    assert training["command"].startswith("python -m training.train --config")
    assert "--set data.size=64" in training["command"]
    assert training["config"]["data"]["size"] == 64
    assert training["images"] == 320
    assert model.metadata.data_definition["name"] == "dotblob-v1"
    assert model.metadata.metrics["monitor"] == records[-1]


def test_training_goes_on_from_a_checkpoint(trained, tmp_path, capsys):
    out, records = trained
    few = ["--set", "data.size=64", "--set", "budget.max_images=16", "--set", "optimiser.lr=1e-6"]
    arguments = ["--config", str(SMOKE), "--init", str(out), "--device", "cpu", "--set", "seed=1", *few]
    assert train.main([*arguments, "--out", str(tmp_path)]) == 0
    assert load_checkpoint(tmp_path).metadata.training["started_from"]["sha256"] == load_checkpoint(out).sha256
    (record,) = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert record["val_dice"] == pytest.approx(records[-1]["val_dice"], abs=0.05)

    other = ["--set", "model.arguments.base=4", "--out", str(tmp_path / "other")]
    assert train.main([*arguments, *other]) == 2
    assert "make them equal" in capsys.readouterr().err


def test_evaluation_prints_writes_and_records_every_set(trained, capsys, tmp_path):
    out, _ = trained
    arguments = ["--checkpoint", str(out), "--count", "1", "--device", "cpu"]
    assert evaluate.main([*arguments, "--json", str(tmp_path / "scores.json"), "--record"]) == 0
    printed = capsys.readouterr().out
    assert "boundary_f1" in printed
    assert "salt_pepper" in printed
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores.keys() == {"val", "clean", "strata"}
    assert 0 <= scores["val"]["dice"] <= 1
    assert scores["strata"]["gaussian"].keys() == {"0.1", "0.3", "0.5", "0.8", "1.2", "1.8"}
    metrics = load_checkpoint(out).metadata.metrics
    assert metrics["clean"] == scores["clean"]
    assert "monitor" in metrics


def test_evaluation_refuses_another_definition_of_the_data(trained, capsys, tmp_path):
    out, _ = trained
    description = json.loads((out / "model.json").read_text())
    description["data_definition"]["sha256"] = "0" * 64
    (tmp_path / "model.json").write_text(json.dumps(description))
    (tmp_path / "model.safetensors").write_bytes((out / "model.safetensors").read_bytes())
    assert evaluate.main(["--checkpoint", str(tmp_path), "--device", "cpu"]) == 2
    assert "another definition" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--config", "missing.yaml"], "cannot be read"),
        (["--config", str(SMOKE), "--set", "speed=1"], "speed"),
        (["--config", str(SMOKE), "--set", "model.architecture=transformer"], "no architecture"),
        (["--config", str(SMOKE), "--device", "tpu"], "tpu"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_code_2(arguments, reason, capsys, tmp_path):
    assert train.main([*arguments, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


def test_a_missing_checkpoint_is_one_line_and_exit_code_2(capsys, tmp_path):
    assert evaluate.main(["--checkpoint", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_average_follows_the_weights_and_the_statistics():
    net = build("unet", {"base": 4, "levels": 2})
    average = AveragedWeights(net, decay=0.5)
    before = net.head.bias.clone()
    with torch.no_grad():
        net.head.bias += 1
        net.encoder[0][1].running_mean += 1
    average.update(net)  # the first update's decay is 1 / 10
    torch.testing.assert_close(average.net.head.bias, before + 0.9)
    assert average.net.encoder[0][1].running_mean[0].item() == pytest.approx(0.9)
    for _ in range(40):
        average.update(net)
    torch.testing.assert_close(average.net.head.bias, net.head.bias)
    assert not average.net.training
