"""Several processes train, and one of them is killed: the first one saves where it was, and the run can go on."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import training
from shared.errors import ConfigurationError
from tests.unit.training.conftest import records, run_tiny, settings
from training import train
from training.recipe.compiling import check_compiler
from training.recipe.distributed import DistributedContext
from training.run.state import load_state

ROOT = Path(training.__file__).parents[1]
PATIENCE = 240
LONG = ("budget={epochs: 500}", "watch.every_images=1000000")


def start(rank: int, port: int, out: Path, errors: Path) -> subprocess.Popen[bytes]:
    """One of two processes, as torchrun starts them, without the one that watches over both."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test",
    }  # fmt: skip
    command = [sys.executable, "-m", "training.train", *settings(*LONG), "--out", str(out), "--resume-or-begin"]
    with errors.open("wb") as file:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=file)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def test_a_peer_that_is_killed_hangs_nobody_and_the_run_goes_on(tmp_path, no_pictures, monkeypatch):
    out, errors, port = tmp_path / "run", tmp_path / "errors.txt", free_port()
    first, second = start(0, port, out, errors), start(1, port, out, tmp_path / "others.txt")
    try:
        deadline = time.monotonic() + PATIENCE
        while not (out / "metrics.jsonl").is_file() or not records(out):
            assert first.poll() is None, errors.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        second.kill()
        second.wait(PATIENCE)
        first.send_signal(signal.SIGTERM)  # as torchrun does then
        # Where it had met the loss before, the signal may end what is left of it; by then the state is saved.
        assert first.wait(PATIENCE) in (4, -signal.SIGTERM), errors.read_text()
    finally:
        for process in (first, second):
            process.kill()
            process.wait(PATIENCE)
    if first.returncode == 4:
        line = errors.read_text().splitlines()[-1]
        assert "another process of this run has gone" in line
        assert line.endswith(f"go on with: python -m training.train --resume {out}")
    images = load_state(out).images
    assert images >= records(out)[-1]["images"] > 0
    monkeypatch.setattr("training.run.trainer.Interruption.asked", lambda self: load_state(out).images > images)
    assert train.main(["--resume", str(out)]) == 0
    assert load_state(out).images > images


def test_resume_or_begin_begins_and_then_goes_on(tmp_path, no_pictures, monkeypatch, capsys):
    arguments = [*settings(), "--out", str(tmp_path), "--resume-or-begin"]
    monkeypatch.setattr("training.run.trainer.Interruption.asked", lambda self: len(records(tmp_path)) == 1)
    assert train.main(arguments) == 0
    assert load_state(tmp_path).images == 32
    monkeypatch.setattr("training.run.trainer.Interruption.asked", lambda self: False)
    assert train.main(arguments) == 0
    assert [record["images"] for record in records(tmp_path)] == [32, 64, 96]
    capsys.readouterr()
    assert train.main([*arguments, "--overwrite"]) == 2
    assert "leave --resume and --overwrite away" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer"), True),
        (torch.distributed.DistBackendError("NCCL watchdog"), True),
        (RuntimeError("shapes do not match"), False),
    ],
)
def test_a_lost_peer_is_told_from_a_defect(error, lost):
    assert DistributedContext(torch.device("cpu"), 0, 2).peer_lost(error) is lost
    assert not DistributedContext(torch.device("cpu")).peer_lost(error)


def test_torch_compile_without_a_compiler_is_said_at_the_start(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    assert run_tiny(tmp_path, "compile=true") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == (
        "error: compile: true needs a C compiler, and there is none here: install gcc or clang, or set compile=false"
    )


def test_with_a_compiler_nothing_is_said(monkeypatch, tmp_path):
    (tmp_path / "gcc").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    check_compiler()
    (tmp_path / "gcc").unlink()
    with pytest.raises(ConfigurationError):
        check_compiler()
