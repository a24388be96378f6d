import functools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import shared
from shared.net.architectures import build
from shared.net.checkpoint import Metadata, load_checkpoint, save_checkpoint
from shared.net.predictor import Predictor
from shared.synth import DEFINITIONS, find_definition
from training import evaluate
from training.cost import arithmetic, measure_cost
from training.evaluation import protocol
from training.evaluation.protocol import breaking_point, score_baselines, score_robustness
from training.evaluation.tables import MARKERS

DOTBLOB = find_definition("dotblob-v1")
DEFAULT = Path(shared.__file__).parent / "weights" / "default"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A network that has learnt nothing, which costs little to run."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    arguments = {"base": 8, "levels": 3, "stem": 4}
    metadata = Metadata("attention_unet", arguments, data_definition=DOTBLOB.describe())
    save_checkpoint(folder, build("attention_unet", arguments), metadata)
    return folder


def run(*words):
    return evaluate.main([*map(str, words), "--device", "cpu", "--count", "1", "--scenes", "1"])


def test_every_part_is_printed_written_and_recorded(checkpoint, capsys, tmp_path, monkeypatch, few_pictures):
    monkeypatch.setattr(evaluate, "measure_cost", functools.partial(measure_cost, seconds=0.0))
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n{MARKERS.begin}\nold\n{MARKERS.end}\nthe end\n")
    out = ["--json", tmp_path / "scores.json", "--markdown", tmp_path / "scores.md", "--into", readme]
    assert run("--checkpoint", checkpoint, *out, "--record") == 0
    printed = capsys.readouterr().out
    assert printed == (tmp_path / "scores.md").read_text()
    assert readme.read_text() == f"# Title\n{MARKERS.begin}\n{printed}{MARKERS.end}\nthe end\n"
    for words in ("boundary F1", "salt_pepper", "inverted contrast", "GFLOP", "convex hull", "α-hull"):
        assert words in printed
    results = json.loads((tmp_path / "scores.json").read_text())
    found = results["models"]["tiny"]
    assert found.keys() == {"definition", "val", "clean", "blobs", "shapes", "strata", "robustness", "cost"} | {
        *evaluate.REALITY_PARTS
    }
    assert found["strata"]["gaussian"]["curve"].keys() == {"0.1", "0.3", "0.5", "0.8", "1.2", "1.8"}
    assert 0 <= found["val"]["dice"] <= 1
    assert found["val"]["images"] == 1
    assert 0 < found["cost"]["gflop"] < 1
    assert found["cost"]["parameters"] == load_checkpoint(checkpoint).metadata.parameters
    assert found["cost"]["speeds"][0]["images_per_second"] > 0
    assert found["cost"]["speeds"][0]["peak_memory_mib"] > 50
    recorded = load_checkpoint(checkpoint).metadata.metrics
    assert recorded["clean"] == found["clean"]
    assert recorded["definition"] == {"name": "dotblob-v1", "sha256": DOTBLOB.describe()["sha256"]}
    assert results["definition"] == recorded["definition"]
    assert printed.startswith("Measured on dotblob-v1 (definition a42aaea710).\n")


def test_models_stand_side_by_side(checkpoint, capsys, tmp_path):
    other = shutil.copytree(checkpoint, tmp_path / "other")
    assert run("--checkpoint", checkpoint, other, "--set", "val") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["model", "---", "tiny", "other"]


def test_arithmetic_is_counted():
    parameters, gflop = arithmetic(build("attention_unet", {"base": 16, "levels": 5, "stem": 4}))
    assert parameters == 1_972_968
    assert gflop == pytest.approx(1.626, abs=0.01)


def test_the_default_takes_a_hundredth_of_the_reference_s_arithmetic():
    parameters, gflop = arithmetic(load_checkpoint(DEFAULT).net)
    assert parameters <= 4_000_000
    assert gflop <= 393.6 / 100


@pytest.mark.parametrize(
    ("kind", "curve", "expected"),
    [
        ("gaussian", {0.1: 0.9, 0.5: 0.85, 1.0: 0.75}, 0.75),
        ("poisson", {10.0: 0.9, 1.0: 0.85, 0.1: 0.75}, 10**-0.5),
        ("salt_pepper", {0.1: 0.9, 0.5: 0.81}, None),
        ("speckle", {0.5: 0.79, 1.0: 0.6}, 0.5),
    ],
)
def test_the_breaking_point_is_where_dice_falls_under_080(kind, curve, expected):
    found = breaking_point(kind, curve)
    assert found == (None if expected is None else pytest.approx(expected))


def test_the_default_weights_see_the_same_in_the_same_picture():
    found = score_robustness(Predictor.load(DEFAULT, "cpu", "fp32"), count=1, definition=DOTBLOB)
    assert found["dice"] > 0.85
    assert len(found["changes"]) == 10
    for name in ("gain ×0.5", "gain ×2", "offset +0.2", "offset −0.2"):
        assert abs(found["changes"][name]) < 0.01
    for name in ("flipped left to right", "a quarter turn", "half a turn"):
        assert abs(found["changes"][name]) < 0.05  # the truth turned with the image


def test_classical_methods_rank_as_one_expects(monkeypatch):
    monkeypatch.setattr(protocol, "FULL_SETS", {"clean": protocol.clean_cases})
    found = score_baselines(1, DOTBLOB)
    assert len(found) == 5
    dice = {name: row["clean"] for name, row in found.items()}
    assert dice["Otsu"] < 0.4  # the dots alone
    assert dice["non-local means, Otsu, convex hull"] > 0.6


def test_another_definition_is_refused_and_its_keys_are_named(checkpoint, capsys, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "old")
    description = json.loads((folder / "model.json").read_text())
    description["data_definition"] = {"name": "dotblob-v0", "sha256": "0" * 64, "values": {"margin_px": 4.0}}
    (folder / "model.json").write_text(json.dumps(description))
    assert run("--checkpoint", folder) == 2
    error = capsys.readouterr().err
    assert "another definition" in error
    assert "margin_px: 4.0, now 8.0" in error


def test_a_checkpoint_of_another_known_definition_says_how_to_score_it(checkpoint, capsys, monkeypatch):
    other = replace(DOTBLOB, name="other-v1", margin_px=4.0)
    monkeypatch.setitem(DEFINITIONS, "other-v1", other)
    assert run("--checkpoint", checkpoint, "--definition", "other-v1") == 2
    error = capsys.readouterr().err
    assert "margin_px: 8.0, now 4.0" in error
    assert "score it with --definition dotblob-v1" in error


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--count", "0"], "--count 0"),
        (["--scenes", "0"], "--scenes 0"),
        (["--set", "val", "--sheet", "worst.png"], "add --set field or --set probes"),
        (["--set", "field", "--sheet", "worst.png", "--checkpoint", "one", "other"], "give one --checkpoint"),
        (["--set", "val", "--into", "missing/README.md"], "cannot be read"),
        (["--set", "val", "--json", "missing/scores.json"], "cannot be written"),
        (["--device", "tpu"], "tpu"),
        (["--definition", "dotblob-v0"], "use one of dotblob-v1"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_code_2(checkpoint, capsys, words, reason):
    assert evaluate.main(["--checkpoint", str(checkpoint), "--device", "cpu", "--count", "1", *words]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


def test_a_document_without_markers_is_left_alone(checkpoint, capsys, tmp_path):
    (tmp_path / "README.md").write_text("# Title\n")
    assert run("--checkpoint", checkpoint, "--set", "val", "--into", tmp_path / "README.md") == 2
    assert "put the lines" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == "# Title\n"


def test_a_missing_checkpoint_is_one_line_and_exit_code_2(capsys, tmp_path):
    assert run("--checkpoint", tmp_path) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_scores_do_not_depend_on_how_images_are_batched(checkpoint):
    predictor = Predictor.load(checkpoint, "cpu", "fp32")
    cases = protocol.val_cases(9)
    together = protocol._score_cases(predictor, cases, DOTBLOB, protocol.quick_scores)
    apart = [protocol._score_cases(predictor, [case], DOTBLOB, protocol.quick_scores)["dice"] for case in cases]
    assert together["dice"] == pytest.approx(np.mean(apart), abs=1e-3)
