import json

import pytest
import torch

from shared.net.checkpoint import load_checkpoint
from shared.net.metadata import Metadata
from tests.unit.training.conftest import run_tiny
from training import average, train

CALIBRATED = ("calibration.images=8", "optimiser.precise_bn_images=8")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two tiny runs, the second from the weights of the first, and one of another network."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.run.ending.write_report", lambda *_: [])
        assert run_tiny(folder / "first", *CALIBRATED) == 0
        words = ["--init", str(folder / "first"), "--config", str(folder / "first.yaml")]
        (folder / "first.yaml").write_text(json.dumps(described(folder / "first")["config"] | {"seed": 5}))
        assert train.main([*words, "--device", "cpu", "--out", str(folder / "second")]) == 0
        assert run_tiny(folder / "wider", "model.arguments.base=6") == 0
    return folder


def described(folder):
    return json.loads((folder / "model.json").read_text())["training"]


def weights(folder, name="bottleneck.0.weight"):
    return load_checkpoint(folder).net.state_dict()[name].float()


@pytest.mark.parametrize(("parts", "share"), [(("", ""), 0.5), ((":3", ":1"), 0.25)])
def test_the_weights_are_the_mean_by_parts(runs, tmp_path, parts, share):
    names = [f"{runs / name}{part}" for name, part in zip(("first", "second"), parts, strict=True)]
    assert average.main([*names, "--out", str(tmp_path / "both"), "--device", "cpu"]) == 0
    first, second = weights(runs / "first"), weights(runs / "second")
    assert not torch.equal(first, second)
    torch.testing.assert_close(weights(tmp_path / "both"), torch.lerp(first, second, share), rtol=1e-3, atol=1e-4)


def test_it_says_what_it_is_made_of_and_is_calibrated_anew(runs, tmp_path):
    out = tmp_path / "both"
    assert average.main([str(runs / "first"), str(runs / "second"), "--out", str(out), "--device", "cpu"]) == 0
    found = described(out)
    assert [part["weights_sha256"] for part in found["average_of"]] == [
        load_checkpoint(runs / name).sha256 for name in ("first", "second")
    ]
    assert found["calibration"]["images"] == 8
    assert found["config"] == described(runs / "first")["config"]
    statistics = [weights(path, "bottleneck.1.running_mean") for path in (runs / "first", runs / "second", out)]
    assert not torch.allclose(statistics[2], (statistics[0] + statistics[1]) / 2, rtol=1e-6), "of these weights"


def of_folder(folder, *held_out):
    training = {"config": {"data": {"kind": "folder", "folder": folder}}, "held_out": list(held_out)}
    return Metadata("unet", {}, 0.5, training=training)


def test_held_out_of_the_average_is_what_none_of_them_was_trained_on():
    first, second = of_folder("nuclei", "a", "c", "b"), of_folder("nuclei", "c", "b", "d")
    assert average.held_out_of_all([first, second]) == ["b", "c"]
    assert average.held_out_of_all([first, of_folder("nuclei")]) == []
    assert average.held_out_of_all([first, of_folder("yeast", "a", "b")]) == []


def test_what_cannot_be_averaged_is_said_in_one_line(runs, tmp_path, capsys):
    out = ["--out", str(tmp_path / "both"), "--device", "cpu"]
    for words, message in (
        ([str(runs / "first")], "one checkpoint is its own average"),
        ([str(runs / "first"), str(runs / "wider")], "is another network than"),
        ([str(runs / "first"), str(runs / "nowhere")], "nowhere"),
        ([str(runs / "first"), str(tmp_path / "both")], "is one of the checkpoints"),
    ):
        assert average.main([*words, *out]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    with pytest.raises(SystemExit) as ended:
        average.main([f"{runs / 'first'}:-1", str(runs / "second"), *out])
    assert ended.value.code == 2
    assert "a number above 0" in capsys.readouterr().err
    assert not (tmp_path / "both").exists()
