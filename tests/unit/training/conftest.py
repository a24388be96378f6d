import json
from pathlib import Path

import pytest
import torch

import training
from training import train
from training.run import trainer

SMOKE = Path(training.__file__).parent / "configs" / "smoke.yaml"

# A run of 3 epochs of 4 steps that takes a second or two.
TINY_RUN = (
    "name=tiny",
    "model.arguments.base=4",
    "model.arguments.likelihood=false",
    "data.size=64",
    "data.samples=32",
    "data.validation_samples=4",
    "budget={epochs: 3}",
    "watch.grace_images=1000",
)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Networks this small lose more to waiting for a second thread than they gain, on a busy machine above all."""
    torch.set_num_threads(1)


@pytest.fixture
def no_pictures(monkeypatch):
    """Leave out the plots at the end of a run, which take longer than the run."""
    monkeypatch.setattr(trainer, "write_report", lambda *_: [])


def settings(*overrides: str) -> list[str]:
    """The arguments of a tiny run on the CPU."""
    words = [word for override in (*TINY_RUN, *overrides) for word in ("--set", override)]
    return ["--config", str(SMOKE), "--device", "cpu", *words]


def run_tiny(out: Path, *overrides: str) -> int:
    """Train the tiny network in this process; the exit code."""
    return train.main([*settings(*overrides), "--out", str(out)])


def records(out: Path) -> list[dict]:
    """The run's metrics.jsonl."""
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
