import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import training
from training import train
from training.evaluation import examination
from training.evaluation.foreign import Source
from training.run import ending

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
    monkeypatch.setattr(ending, "write_report", lambda *_: [])


@pytest.fixture
def few_pictures(monkeypatch, tmp_path):
    """Evaluate on three families, three probes and one foreign picture, which lies in no package."""
    families, probes = examination.families, examination.PROBES
    names = ("empty", "ramp", "crescent")
    monkeypatch.setattr(examination, "families", lambda: [kind for kind in families() if kind.name in names])
    monkeypatch.setattr(examination, "PROBES", {name: probes[name] for name in ("blank", "clutter 10 %", "128 px")})
    monkeypatch.setattr(examination, "SIZES", ("128 px",))
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.linear_gradient("L").save(folder / "gradient.png")
    (folder / "notes.txt").write_text("no picture")
    monkeypatch.setattr(examination, "sources", lambda: [Source("here", folder), Source("elsewhere", None)])


def settings(*overrides: str) -> list[str]:
    """The arguments of a tiny run on the CPU."""
    words = [word for override in (*TINY_RUN, *overrides) for word in ("--set", override)]
    return ["--config", str(SMOKE), "--device", "cpu", *words]


def run_tiny(out: Path, *overrides: str, init: Path | None = None) -> int:
    """Train the tiny network in this process, from the weights of `init` where it is given; the exit code."""
    start = [] if init is None else ["--init", str(init)]
    return train.main([*settings(*overrides), *start, "--out", str(out)])


def records(out: Path) -> list[dict]:
    """The run's metrics.jsonl."""
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
