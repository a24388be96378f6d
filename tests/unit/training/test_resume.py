"""A run that was stopped and goes on ends with the very weights of one that was never stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import reduce
from operator import getitem

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from shared.net.checkpoint import load_checkpoint
from tests.unit.training.conftest import records, run_tiny, settings
from training import train
from training.run.interruption import Interruption
from training.run.monitor import Monitor
from training.run.state import STATE_NAME, load_state

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def stop_before_step(monkeypatch):
    """Let the next run be asked to stop before the step of this number, from 1, and so many looks on."""

    def arrange(number, looks=1):
        asked = iter([*[False] * (number - 1), *[True] * looks])
        monkeypatch.setattr(Interruption, "asked", lambda self: next(asked, False))

    return arrange


@pytest.fixture
def stopped(tmp_path, stop_before_step):
    """The folder of a run that was stopped within its second epoch."""
    stop_before_step(7)
    assert run_tiny(tmp_path / "stopped") == 0
    assert load_state(tmp_path / "stopped").images == 48
    return tmp_path / "stopped"


def without_times(found):
    return [{k: v for k, v in record.items() if k not in ("minutes", "images_per_second")} for record in found]


LIKELIHOOD = ("model.arguments.likelihood=true", "likelihood={histograms: 20, passes: 1, batch_size: 18}")
LOOKS_WHILE_FITTING = 4  # one before each 8 histograms, and one before the only step
MUON = ("optimiser.kind=muon", "optimiser.precise_bn_images=16", "model.arguments.base=8")


@pytest.mark.parametrize(
    ("steps", "overrides"),
    # In the first epoch, at its end (two ways), in the second epoch; and while something is fitted before the first.
    [(2, ()), (4, ()), (5, ()), (7, ()), (7, MUON), (LOOKS_WHILE_FITTING + 2, LIKELIHOOD), (3, LIKELIHOOD)],
)
def test_resuming_gives_the_weights_of_an_uninterrupted_run_bit_by_bit(steps, overrides, tmp_path, stop_before_step):
    assert run_tiny(tmp_path / "whole", *overrides) == 0
    stop_before_step(steps, looks=2 if steps < LOOKS_WHILE_FITTING and overrides is LIKELIHOOD else 1)
    assert run_tiny(tmp_path / "stopped", *overrides) == 0
    assert train.main(["--resume", str(tmp_path / "stopped"), "--device", "cpu"]) == 0

    whole, resumed = (load_file(tmp_path / name / STATE_NAME) for name in ("whole", "stopped"))
    assert whole.keys() == resumed.keys()
    assert any(name.startswith("run/optimisers/0/0/exp_avg_sq") for name in whole)
    assert any(name.endswith("momentum_buffer") for name in whole) == (overrides is MUON)
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name
    assert load_checkpoint(tmp_path / "whole").sha256 == load_checkpoint(tmp_path / "stopped").sha256
    assert without_times(records(tmp_path / "whole")) == without_times(records(tmp_path / "stopped"))


def test_a_validation_that_a_signal_ends_is_done_anew(tmp_path, monkeypatch):
    whole = tmp_path / "whole"
    assert run_tiny(whole) == 0
    with monkeypatch.context() as patched:
        patched.setattr(Monitor, "scores", lambda *_: signal.raise_signal(signal.SIGINT))
        assert run_tiny(tmp_path / "stopped") == 0
    assert load_state(tmp_path / "stopped").images == 32
    assert train.main(["--resume", str(tmp_path / "stopped"), "--device", "cpu"]) == 0
    assert without_times(records(whole)) == without_times(records(tmp_path / "stopped"))


def test_a_run_that_is_over_has_nothing_to_go_on_with(tmp_path):
    assert run_tiny(tmp_path) == 0
    before = load_checkpoint(tmp_path).sha256, records(tmp_path)
    assert train.main(["--resume", str(tmp_path), "--device", "cpu"]) == 0
    assert (load_checkpoint(tmp_path).sha256, records(tmp_path)) == before


def test_another_config_is_refused_and_every_key_that_differs_named(stopped, capsys):
    changed = settings("optimiser.lr=1e-4", "loss.gamma=0.5")
    assert train.main([*changed, "--resume", str(stopped)]) == 2
    error = capsys.readouterr().err
    for difference in ("optimiser.lr: 0.005, now 0.0001", "loss.gamma.start: 0.0, now 0.5", "loss.gamma.epochs"):
        assert difference in error
    assert "optimiser.weight_decay" not in error
    assert error.count("\n") == 1


def test_a_new_run_does_not_destroy_one_that_is_not_finished(stopped, capsys):
    before = (stopped / STATE_NAME).read_bytes()
    assert run_tiny(stopped) == 2
    assert f"--resume {stopped}" in capsys.readouterr().err
    assert (stopped / STATE_NAME).read_bytes() == before
    assert train.main([*settings(), "--out", str(stopped), "--overwrite"]) == 0
    assert run_tiny(stopped) == 2
    assert "holds a finished run" in capsys.readouterr().err


def test_its_own_config_is_accepted(stopped):
    assert train.main([*settings(), "--resume", str(stopped)]) == 0
    assert records(stopped)[-1]["images"] == 96


def edit_state(stopped, change):
    """Change the description in the state's header."""
    path = stopped / STATE_NAME
    with safe_open(path, "pt") as file:
        (name,) = file.metadata()
        description = json.loads(file.metadata()[name])
    change(description)
    save_file(load_file(path), path, {name: json.dumps(description)})


def test_another_definition_of_the_data_is_refused(stopped, capsys):
    edit_state(stopped, lambda d: d["data_definition"]["values"].update(dots=[15, 99]))
    assert train.main(["--resume", str(stopped)]) == 2
    assert "data_definition.values.dots: [15, 99], now [15, 80]" in capsys.readouterr().err


def test_other_library_versions_are_told(stopped, capsys):
    edit_state(stopped, lambda d: d["versions"].update(torch="1.0"))
    assert train.main(["--resume", str(stopped), "--device", "cpu"]) == 0
    assert "torch: 1.0, now" in capsys.readouterr().out


def test_a_state_of_another_format_is_refused(stopped, capsys):
    edit_state(stopped, lambda d: d.update(format_version=99))
    assert train.main(["--resume", str(stopped)]) == 2
    assert "format version 99" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("part", "key"), [((), "watch"), ((), "versions"), (("run",), "position"), (("stopping",), "waited")]
)
def test_a_state_that_lacks_something_is_refused(stopped, capsys, part, key):
    edit_state(stopped, lambda d: reduce(getitem, part, d).pop(key))
    assert train.main(["--resume", str(stopped), "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert f"lacks {key}" in error
    assert error.count("\n") == 1


def test_a_state_of_the_format_before_is_refused(stopped, capsys):
    edit_state(stopped, lambda d: d.update(format_version=2, watch={"next_look": "1000"}))
    assert train.main(["--resume", str(stopped)]) == 2
    error = capsys.readouterr().err
    assert "format version 2, this version of Delineate reads 3" in error
    assert error.count("\n") == 1


def test_the_state_is_plain_json_beside_the_tensors(stopped):
    with safe_open(stopped / STATE_NAME, "pt") as file:
        (header,) = file.metadata().values()

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    description = json.loads(header, parse_constant=refuse)
    assert description["run"]["position"]["images"] == 48
    assert description["watch"] == {"next_look": 1000, "bad_looks": 0, "best_clean_dice": 0.0}
    assert type(description["stopping"]["best"]) is float


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"<!DOCTYPE html><html>", "web page"), (b"\x80\x04\x95" + b"x" * 50, "pickle"), (b"", "empty")],
)
def test_a_state_that_is_something_else_is_refused(stopped, capsys, content, reason):
    (stopped / STATE_NAME).write_bytes(content)
    assert train.main(["--resume", str(stopped)]) == 2
    assert reason in capsys.readouterr().err


def test_weights_are_no_state(stopped, capsys):
    assert train.main(["--resume", str(stopped / "model.safetensors")]) == 2
    assert "--init" in capsys.readouterr().err


@pytest.mark.parametrize("extra", [["--init", "x"], ["--out", "elsewhere"]])
def test_resume_goes_with_neither_init_nor_another_folder(stopped, capsys, extra):
    assert train.main(["--resume", str(stopped), *extra]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_records_behind_the_state_are_made_anew(stopped):
    with (stopped / "metrics.jsonl").open("a") as journal:
        journal.write(json.dumps({"images": 64, "val_dice": 9}) + "\n")
    assert train.main(["--resume", str(stopped), "--device", "cpu"]) == 0
    assert [record["images"] for record in records(stopped)] == [32, 64, 96]
    assert all(record["val_dice"] <= 1 for record in records(stopped))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_group_leaves_a_state_to_go_on_from_and_a_clean_end(tmp_path, number):
    words = settings("budget={epochs: 100000}", "data.workers=1")
    command = [sys.executable, "-m", "training.train", *words, "--out", str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as run:
        while not (tmp_path / STATE_NAME).exists() and run.poll() is None:
            time.sleep(0.05)
        os.killpg(run.pid, number)  # the processes that synthesise get it too, as by Ctrl-C
        output, errors = run.communicate(timeout=240)
    assert run.returncode == 0, errors
    assert f"stopped by {number.name}" in output
    assert f"--resume {tmp_path}" in output.replace("\n", "")
    assert "Traceback" not in errors
    state = load_state(tmp_path)
    assert state.images >= 32
    assert not list(tmp_path.glob(".*"))
    assert train.main(["--resume", str(tmp_path), "--set", "budget.epochs=5"]) == 2  # intact: it names the difference
