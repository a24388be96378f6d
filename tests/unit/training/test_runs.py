"""`python -m training.runs` on runs that were trained, stopped, and damaged."""

import csv
import json
import os

import pytest
from rich.text import Text

from shared.net.architectures import build
from shared.net.checkpoint import WEIGHTS_NAME, Metadata, save_checkpoint
from tests.unit.training.conftest import SMOKE, run_tiny
from training import runs
from training.config import load_config
from training.recipe.provenance import describe_config
from training.run.interruption import Interruption
from training.run.journal import JOURNAL_NAME

TINY = {"base": 2, "levels": 2}
RECORDS = ({"images": 800, "minutes": 2.5}, {"images": 1600, "minutes": 5.0})


def left_by_a_run(path, ended, *overrides, data="1", monitored=0.5, **training):
    """The checkpoint and the records that a run on a folder leaves."""
    config = load_config(SMOKE, ["data.kind=folder", "data.folder=my-pairs", f"name={path.name}", *overrides])
    described = {"config": describe_config(config), "held_out": ["3"], "images": 800, "minutes": 2.5, **training}
    metrics = {"monitor": {"val_dice": monitored}}
    definition = {"name": "folder my-pairs", "sha256": data}
    about = Metadata("unet", TINY, training=described, metrics=metrics, data_definition=definition)
    save_checkpoint(path, build("unet", TINY), about)
    (path / JOURNAL_NAME).write_text("".join(f"{json.dumps(record)}\n" for record in RECORDS))
    os.utime(path / WEIGHTS_NAME, (ended, ended))


@pytest.fixture
def folder(tmp_path):
    """Two runs on one folder, the later one first by name."""
    left_by_a_run(tmp_path / "runs" / "first", 1e9)
    left_by_a_run(tmp_path / "runs" / "b" / "second", 2e9, "optimiser.lr=2e-3", "data.foreground=[1, 3]", monitored=0.6)
    return tmp_path / "runs"


def listed(folder, capsys, *more):
    code = runs.main([str(folder), *map(str, more)])
    return code, capsys.readouterr()


def rows_of(folder, capsys, tmp_path):
    assert listed(folder, capsys, "--csv", tmp_path / "runs.csv")[0] == 0
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def changed(path, change):
    described = json.loads((path / "model.json").read_text())
    change(described)
    (path / "model.json").write_text(json.dumps(described))


def test_runs_on_the_same_data_are_told_by_what_differs_from_the_first(folder, capsys, tmp_path):
    first, second = rows_of(folder, capsys, tmp_path)
    assert (first["run"], second["run"]) == ("first", "b/second")
    assert (first["differences"], first["ended"]) == ("", "2001-09-09T01:46:40+00:00")
    assert second["differences"] == "data.foreground=[1, 3]; optimiser.lr=0.002"
    assert (first["dice"], second["dice"], second["held_out"]) == ("0.5", "0.6", "1")
    assert first["scored_on"] == "the few images that its training watched"
    # All that was trained, not what the best weights had seen.
    assert (first["samples"], first["minutes"], first["finished"]) == ("1600", "5.0", "True")


def test_other_weights_and_other_pairs_are_told_too(folder, capsys, tmp_path):
    left_by_a_run(folder / "third", 3e9, data="2", started_from={"sha256": "abcdef" * 10})
    left_by_a_run(folder / "other", 3e9, "data.folder=other-pairs")
    told = {row["run"]: row["differences"] for row in rows_of(folder, capsys, tmp_path)}
    assert told["third"] == "other data of this name; from weights abcdefabcdef"
    assert told["other"] == ""


def test_a_score_on_pairs_that_were_held_out_goes_before_that_of_training(folder, capsys, tmp_path):
    changed(folder / "first", lambda told: told["metrics"].update(own={"dice": 0.75, "trained_on": 0}))
    changed(folder / "b" / "second", lambda told: told["metrics"].update(own={"dice": 0.99, "trained_on": 4}))
    first, second = rows_of(folder, capsys, tmp_path)
    assert (first["dice"], first["scored_on"]) == ("0.75", "images of one's own")
    assert second["dice"] == "0.6"


def test_the_table_fits_into_eighty_columns(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, said = listed(folder, capsys)
    assert code == 0
    lines = Text.from_ansi(said.out).plain.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(word in line for line in lines) for word in ("optimiser.lr=0.002", "b/second", "– (the first)"))


def test_json_holds_every_config(folder, capsys, tmp_path):
    assert listed(folder, capsys, "--json", tmp_path / "runs.json")[0] == 0
    told = json.loads((tmp_path / "runs.json").read_text())["runs"]
    assert [run["config"]["optimiser"]["lr"] for run in told][1] == 0.002


def test_a_run_that_was_stopped_is_told_so(folder, capsys, tmp_path, monkeypatch):
    asked = iter([False, True])
    monkeypatch.setattr(Interruption, "asked", lambda _: next(asked))
    assert run_tiny(folder / "stopped") == 0
    row = next(row for row in rows_of(folder, capsys, tmp_path) if row["run"] == "stopped")
    assert (row["finished"], row["dice"], row["data"]) == ("False", "", "dotblob-v1")


def test_what_a_kill_left_behind_is_no_record(folder, capsys, tmp_path):
    with (folder / "first" / JOURNAL_NAME).open("a") as file:
        file.write('{"images": 2400, "minu')
    assert rows_of(folder, capsys, tmp_path)[0]["samples"] == "1600"


def test_a_run_that_cannot_be_read_hides_no_other(folder, capsys):
    (folder / "b" / "second" / "model.json").write_text("<html>")
    code, said = listed(folder, capsys)
    assert code == 1
    assert "first" in said.out
    [line] = said.err.splitlines()
    assert line.startswith("cannot be read: ")


def test_no_runs_are_one_line(tmp_path, capsys):
    for folder, reason in ((tmp_path / "none", "there is no folder"), (tmp_path, "holds no run")):
        code, said = listed(folder, capsys)
        assert code == 2
        [line] = said.err.splitlines()
        assert reason in line
