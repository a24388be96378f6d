"""`make gpu-check` runs to its end without a GPU, and says what is wrong where something is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import gpu_check
from benchmarks.gpu_check import PARTS, Checked, main, report
from shared.errors import DeviceOutOfMemory
from shared.net.architectures import build
from shared.net.backends.contract import Answer
from shared.net.checkpoint import Metadata, save_checkpoint
from shared.net.predictor import Predictor

TINY = {"base": 4, "levels": 3, "stem": 4, "dropout": 0.0}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "tiny", build("attention_unet", TINY), Metadata("attention_unet", TINY))
    return tmp_path / "tiny"


@pytest.fixture
def checked(model: Path) -> Checked:
    return Checked(torch.device("cpu"), model, images=2, switches=2, most_in_batch=1)


def lines(checked: Checked, *names: str) -> tuple[list[str], str]:
    said: list[str] = []
    return report(checked, names, said.append), "\n".join(said)


def test_on_a_cpu_all_parts_run_to_the_end(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--images", "2", "--switches", "2", "--most-in-batch", "1"]
    assert main(["--device", "cpu", "--model", str(model), *few]) == 0
    said = capsys.readouterr().out
    assert all(f"## {name}\n" in said for name in PARTS)
    assert "float32: 0.0000% of the pixels differ" in said
    assert "images/s" in said
    assert "fp32: 40 images in" in said
    assert "all parts went well: please send this report" in said


def test_without_a_gpu_it_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "no CUDA GPU is visible here" in line
    assert 'make gpu-check ARGS="--device cpu"' in line


def test_masks_that_differ_are_a_failure(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Checked.load

    def biased(self: Checked, precision: str = "auto") -> Predictor:
        predictor = load(self, precision)
        answer = predictor.predict_tiles
        monkeypatch.setattr(predictor, "predict_tiles", lambda tiles: 255 - answer(tiles))
        return predictor

    monkeypatch.setattr(Checked, "load", biased)
    failed, said = lines(checked, "masks")
    assert failed == ["masks"]
    assert "FAILED: Wrong: float32 differs in more than 0.5% of the pixels" in said


def test_a_network_that_answers_otherwise_when_loaded_again_is_a_failure(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(range(9))
    monkeypatch.setattr(Predictor, "predict_tiles", lambda self, tiles: np.full(tiles.shape, next(answers), np.uint8))
    failed, said = lines(checked, "switches")
    assert failed == ["switches"]
    assert "number 1 has another answer" in said


def test_a_part_that_breaks_leaves_the_others(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_checked: Checked) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(PARTS, "masks", broken)
    failed, said = lines(checked, "masks", "about")
    assert failed == ["masks"]
    assert "torch's CUDA:" in said
    assert said.endswith("FAILED: masks: please send this report")


@pytest.mark.parametrize(("spoilt", "failed"), [(False, []), (True, ["memory error"])])
def test_a_memory_error_is_forced_and_the_answers_after_it_compared(
    checked: Checked, monkeypatch: pytest.MonkeyPatch, spoilt: bool, failed: list[str]
) -> None:
    class Small:
        def predict_tiles(self, tiles: np.ndarray) -> np.ndarray:
            if len(tiles) > 100:
                self.ran_out = True
                raise DeviceOutOfMemory("a batch of 128 tiles does not fit")
            return np.full((1, 4, 4), spoilt and hasattr(self, "ran_out"), np.uint8)

    monkeypatch.setattr(Checked, "load", lambda self, precision="auto": Small())
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3 << 20)
    on_gpu = replace(checked, device=torch.device("cuda"))
    found, said = lines(on_gpu, "memory error")
    assert found == failed
    assert "128 tiles: a batch of 128 tiles does not fit" in said
    assert ("3 MiB were kept after the error" in said) is not spoilt


def test_rates_stop_where_a_batch_does_not_fit(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(_self: Predictor, tiles: np.ndarray) -> list[Answer]:
        if len(tiles) > 2:
            raise DeviceOutOfMemory("too large")
        return []

    monkeypatch.setattr(Predictor, "answer_tiles", answers)
    monkeypatch.setattr(gpu_check.time, "perf_counter", iter(np.arange(0.0, 1e4, 0.7)).__next__)
    failed, said = lines(replace(checked, most_in_batch=64), "rates")
    assert failed == []
    assert "  4: does not fit" in said
    assert "  8:" not in said
