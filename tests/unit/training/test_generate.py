import json

import numpy as np
import pytest
import torch

from shared.images.codec import decode_mask
from shared.synth.dotblob import DotBlobScene
from training import generate
from training.data.open import DataConfig, NoiseLevel, open_data


def run(out, *words):
    return generate.main(["--out", str(out), "--size", "64", "--device", "cpu", *map(str, words)])


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_sample_has_its_files_and_parameters(tmp_path):
    assert run(tmp_path / "set", "--count", 5) == 0
    settings = json.loads((tmp_path / "set/dataset.json").read_text())
    assert settings["definition"] == "dotblob-v1"
    assert settings["definition_sha256"].startswith("a42aaea7")
    assert (settings["size"], settings["mixed_prob"]) == (64, 0.6)
    lines = [json.loads(line) for line in (tmp_path / "set/parameters.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == [f"{i:06}" for i in range(5)]
    for line in lines:
        mask = decode_mask((tmp_path / f"set/masks/{line['name']}.png").read_bytes())
        assert (tmp_path / f"set/images/{line['name']}.png").exists()
        assert (DotBlobScene.from_dict(line["scene"]).render().mask != mask).sum() <= 2
        assert line["noise"]["steps"]


def test_a_stopped_run_goes_on_to_the_same_files(tmp_path):
    assert run(tmp_path / "whole", "--count", 20) == 0
    assert run(tmp_path / "parts", "--count", 3) == 0
    with (tmp_path / "parts/parameters.jsonl").open("a") as file:
        file.write('{"name": "0000')  # killed while it wrote
    assert run(tmp_path / "parts", "--count", 20) == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert run(tmp_path / "parts", "--count", 10) == 0  # nothing is taken away
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_npz(tmp_path):
    assert run(tmp_path / "set", "--count", 2, "--format", "npz") == 0
    with np.load(tmp_path / "set/samples/000001.npz") as sample:
        assert sample["image"].shape == sample["mask"].shape == (64, 64)
        assert sample["image"].dtype == np.uint8
        assert sample["mask"].dtype == bool


def test_training_reads_it(tmp_path):
    assert run(tmp_path / "set", "--count", 6) == 0
    config = DataConfig(kind="folder", folder=tmp_path / "set", size=64)
    source = open_data(config, seed=0, batch_size=2, device=torch.device("cpu"))
    assert next(source.batches(0, NoiseLevel())).images.shape == (2, 1, 64, 64)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--count", 6, "--severity", 0.9], "severity 0.5 there, 0.9 asked for"),
        (["--count", 0], "--count"),
        (["--count", 6, "--size", 8], "--size 8"),
        (["--count", 6, "--device", "tpu"], "tpu"),
        (["--count", 6, "--definition", "dotblob-v0"], "use one of dotblob-v1"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(tmp_path, capsys, words, reason):
    assert run(tmp_path / "set", "--count", 1) == 0
    before = contents(tmp_path / "set")
    assert run(tmp_path / "set", *words) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert contents(tmp_path / "set") == before


def test_a_foreign_folder_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert run(tmp_path, "--count", 1) == 2
    assert "not empty" in capsys.readouterr().err
    assert list(contents(tmp_path).values()) == [b"years of work"]
