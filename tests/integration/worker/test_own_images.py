"""From the masks in a package to a scored batch, by the commands of docs/own-images.md, on pictures that learn fast."""

import csv
import hashlib
import runpy
import sys
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import tifffile

from producer.cli import main as producer
from shared.config import CHECKOUT
from tests.integration.worker.conftest import Stack
from training import check, publish, train

QUICK = (
    "data.foreground=nonzero", "data.augmentation={}", "budget.max_images=160", "precision=fp32", "threads=1",
    "model.arguments={base: 8, levels: 3, stem: 2, dropout: 0.0, in_channels: 1}",
    "optimiser.batch_size=4", "optimiser.lr=2e-2", "optimiser.ema_decay=0.5",
)  # fmt: skip


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """The two files of stardist's wheel that the example takes, with discs in the place of nuclei."""
    rng = np.random.default_rng(0)
    numbered = np.zeros((512, 512), dtype=np.uint16)
    rows, columns = np.indices(numbered.shape)
    for number in range(1, 91):
        row, column = rng.uniform(0, 512, 2)
        numbered[np.hypot(rows - row, columns - column) < rng.uniform(8, 14)] = number
    picture = rng.normal(3000, 400, numbered.shape) + 6000 * (numbered > 0)
    with ZipFile(tmp_path / "some.whl", "w") as files:
        for name, pixels in (("img", picture.clip(0, 65535).astype(np.uint16)), ("mask", numbered)):
            file = BytesIO()
            tifffile.imwrite(file, pixels)
            files.writestr(f"stardist/data/images/{name}2d.tif", file.getvalue())
    return tmp_path / "some.whl"


def run_example(folder: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    example = runpy.run_path(str(CHECKOUT / "examples" / "nuclei.py"))
    main = example["main"]
    monkeypatch.setitem(main.__globals__, "SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(sys, "argv", ["nuclei.py", str(folder), "--wheel", str(wheel)])
    code: int = main()
    return code


def test_a_folder_of_masks_ends_in_a_scored_batch(
    embedded_stack: Stack, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for name, value in embedded_stack.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("training.run.ending.write_report", lambda *_: [])
    worker = embedded_stack.start_worker()

    assert run_example(tmp_path / "nuclei", wheel, monkeypatch) == 0
    assert check.main(["nuclei/pairs"]) == 1
    assert "which may be objects, classes or borders: set data.foreground to nonzero" in capsys.readouterr().out
    assert check.main(["nuclei/pairs", "--set", "data.foreground=nonzero"]) == 0
    settings = [word for each in QUICK for word in ("--set", each)]
    config = str(CHECKOUT / "training" / "configs" / "own.yaml")
    assert train.main(["--config", config, "--data", "nuclei/pairs", "--device", "cpu", *settings]) == 0
    assert publish.main(["--checkpoint", "runs/pairs", "--name", "nuclei"]) == 0

    batch = ["nuclei/batch", "--truth", "nuclei/truth", "--foreground", "nonzero", "--model", "nuclei"]
    with pytest.raises(SystemExit) as ended:
        producer.main(["submit", *batch, "--wait", "--to", "results"])
    assert ended.value.code == 0
    assert "scores against the truth" in capsys.readouterr().out
    with (tmp_path / "results" / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["model_name"] for row in rows] == ["nuclei"] * 4
    assert min(float(row["dice"]) for row in rows) > 0.8
    assert worker.terminate() == 0
