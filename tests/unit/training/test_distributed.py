import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import training
from shared.errors import ConfigurationError
from shared.net.architectures import build
from shared.net.checkpoint import load_checkpoint
from tests.unit.training.conftest import records, run_tiny, settings
from tests.unit.training.without_normalisation import NoNormalisation
from training.recipe.distributed import part_of_step

PLAIN = ("model.arguments.dropout=0", "data.validation_samples=16", "budget={epochs: 2}")
COMMAND = Path(__file__).with_name("without_normalisation.py")


def test_two_processes_get_the_losses_and_the_weights_of_one(tmp_path, no_pictures, monkeypatch):
    monkeypatch.setattr(torch.nn, "BatchNorm2d", NoNormalisation)
    assert run_tiny(tmp_path / "one", *PLAIN) == 0
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, str(COMMAND), *settings(*PLAIN), "--out", str(tmp_path / "two")]
    root = Path(training.__file__).parents[1]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 × cpu" in done.stdout

    ours, theirs = records(tmp_path / "one"), records(tmp_path / "two")
    assert [record["images"] for record in theirs] == [record["images"] for record in ours] == [32, 64]
    for one, two in zip(ours, theirs, strict=True):
        for name in ("loss", "dice", "bce", "foreground", "val_dice", "clean_dice", "val_iou"):
            assert two[name] == pytest.approx(one[name], rel=1e-3), name

    one, two = (load_checkpoint(tmp_path / name).net.state_dict() for name in ("one", "two"))
    untrained = build("attention_unet", {"base": 4, "levels": 3, "stem": 4}).state_dict()
    assert (one["head.weight"] - untrained["head.weight"]).abs().max() > 0.05
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0.01, atol=0.002)


@pytest.mark.parametrize(("accumulation", "processes", "part"), [(1, 1, 8), (2, 1, 4), (2, 2, 2), (1, 8, 1)])
def test_a_step_s_batch_is_shared_out(accumulation, processes, part):
    assert part_of_step(8, accumulation, processes) == part


def test_a_batch_that_cannot_be_shared_out_is_refused():
    with pytest.raises(ConfigurationError, match="use a multiple of 6"):
        part_of_step(8, accumulation=2, processes=3)
