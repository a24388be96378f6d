"""Checkpoints scored on image/mask pairs of one's own."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from shared.images.metrics import dice
from tests.unit.training.conftest import run_tiny
from tests.unit.training.pairs_made import binary, blobs, folder_of, picture, save
from training import evaluate
from training.evaluation import own_images


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = folder_of(tmp_path_factory.mktemp("own") / "nuclei", binary, count=7)
    save(folder / "images" / "nothing.png", picture(np.zeros_like(blobs(0)), 99))
    save(folder / "masks" / "nothing.png", np.zeros_like(blobs(0)))
    return folder


@pytest.fixture(scope="module")
def checkpoint(pairs, tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("training.run.ending.write_report", lambda *_: [])
        out = tmp_path_factory.mktemp("runs") / "nuclei"
        # Other values than an epoch of this folder's alone would do as well.
        assert run_tiny(out, "data.kind=folder", f"data.folder={pairs}", "data.validation_share=0.4") == 0
    return out


def evaluated(checkpoint, pairs, *more):
    arguments = ["--checkpoint", str(checkpoint), "--data", str(pairs), "--device", "cpu", *map(str, more)]
    return evaluate.main(arguments)


def test_every_pair_has_a_row_and_thresholds_beside_it(checkpoint, pairs, tmp_path, capsys):
    files = {name: tmp_path / name for name in ("scores.csv", "scores.json", "worst.png")}
    options = ("--csv", files["scores.csv"], "--json", files["scores.json"], "--sheet", files["worst.png"])
    assert evaluated(checkpoint, pairs, *options, "--record") == 0
    held_out = json.loads((checkpoint / "model.json").read_text())["training"]["held_out"]
    with files["scores.csv"].open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert len(rows) == 8
    assert {name for name, row in rows.items() if row["trained_on"] == "False"} == set(held_out)
    [empty] = [row for row in rows.values() if row["empty"] == "True"]
    assert float(empty["truth"]) == 0
    # Discs of one brightness on an even ground are Otsu's to find.
    assert all(float(row["otsu"]) > 0.95 for row in rows.values() if row is not empty)
    told = json.loads(files["scores.json"].read_text())["models"]["nuclei"]
    filled = [float(row["dice"]) for row in rows.values() if row is not empty]
    assert told["dice"] == pytest.approx(np.mean(filled))
    assert told["dice_spread"] == pytest.approx(np.std(filled, ddof=1))
    assert (told["images"], told["empties"]) == (8, 1)
    assert 0 <= told["calibration"] <= 1
    assert [pair["dice"] for pair in told["pairs"]] == sorted(pair["dice"] for pair in told["pairs"])
    with Image.open(files["worst.png"]) as sheet:
        assert sheet.width > 1000
    recorded = json.loads((checkpoint / "model.json").read_text())["metrics"]
    assert recorded["own"]["dice"] == told["dice"]
    assert "monitor" in recorded  # beside what was there
    said = capsys.readouterr().out
    assert "was trained on" in said
    assert "Boundary F1" in said


def test_those_that_were_held_out_are_scored_alone(checkpoint, pairs, tmp_path):
    assert evaluated(checkpoint, pairs, "--held-out", "--json", tmp_path / "scores.json") == 0
    told = json.loads((tmp_path / "scores.json").read_text())["models"]["nuclei"]
    held_out = json.loads((checkpoint / "model.json").read_text())["training"]["held_out"]
    assert {pair["name"] for pair in told["pairs"]} == set(held_out)
    assert told["trained_on"] == 0


def test_calibration_is_told_of_what_was_not_trained_on_alone(checkpoint, pairs):
    predictor = own_images.Predictor.load(checkpoint, "cpu")
    looked = evaluate.survey(own_images.own_data(pairs, predictor.metadata))
    known = own_images.trained_on(looked, predictor.metadata)
    seen = [pair for pair in looked.layout.pairs if pair.name in known]
    assert seen
    assert own_images.examine(predictor, looked, seen, known).calibration is None
    assert own_images.examine(predictor, looked, seen, set()).calibration is not None


def test_another_folder_has_nothing_that_was_trained_on(checkpoint, tmp_path, capsys):
    other = folder_of(tmp_path / "other", binary, count=3)
    assert evaluated(checkpoint, other, "--json", tmp_path / "scores.json") == 0
    told = json.loads((tmp_path / "scores.json").read_text())["models"]["nuclei"]
    assert told["trained_on"] == 0
    capsys.readouterr()
    assert evaluated(checkpoint, other, "--held-out") == 2
    assert "held-out pairs" in capsys.readouterr().err


@pytest.mark.parametrize("is_bright", [True, False])
def test_a_threshold_is_told_which_side_is_foreground(is_bright):
    truth = blobs(1) > 0
    image = picture(truth).astype(np.float64)
    otsu, local = own_images._thresholded(image if is_bright else 255 - image, bright=is_bright)
    assert dice(otsu, truth) > 0.95
    assert local[truth].mean() > 0.95  # the noise around it is half over its own mean, too


def test_what_makes_no_sense_is_one_line(tmp_path, capsys):
    for words, reason in (
        (["--held-out"], "add --data FOLDER"),
        (["--csv", "a.csv"], "add --data FOLDER"),
    ):
        assert evaluate.main(["--checkpoint", str(tmp_path), *words]) == 2
        said = capsys.readouterr().err
        assert reason in said
        assert said.count("\n") == 1
