"""Fitting quality and familiarity of a checkpoint's results, as the command and the end of training do it."""

from pathlib import Path

import pytest

from shared.errors import UsageError
from shared.images.codec import encode_grey, encode_mask
from shared.net.architectures import build
from shared.net.checkpoint import Metadata, load_checkpoint, save_checkpoint
from shared.net.network import Network
from shared.synth import synthesise
from training import familiarity
from training.config import load_config
from training.recipe.provenance import data_definition, describe_config
from training.recipe.scores import fit_checkpoint

SMOKE = Path("training/configs/smoke.yaml")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """An untrained network that is said to have been trained on scenes of 64 px."""
    config = load_config(SMOKE, ["data.size=64", "data.samples=400"])
    net: Network = build(config.model.architecture, config.model.arguments)
    metadata = Metadata(
        config.model.architecture,
        dict(config.model.arguments),
        data_definition=data_definition(config.data),
        training={"config": describe_config(config)},
    )
    save_checkpoint(tmp_path / "run", net, metadata)
    return tmp_path / "run"


def test_the_command_fits_on_the_data_that_the_model_was_trained_on(checkpoint, capsys):
    assert familiarity.main(["--checkpoint", str(checkpoint), "--scenes", "240", "--device", "cpu"]) == 0
    assert "fitted on 240 scenes" in capsys.readouterr().out
    model = load_checkpoint(checkpoint)
    assert model.scores is not None
    assert (model.metadata.familiarity["scenes"], model.metadata.familiarity["data"]) == (240, "dotblob-v1")
    assert len(model.scores.strangeness.references) == 4  # three depths and the map's numbers
    first = (checkpoint / "familiarity.safetensors").read_bytes()
    assert familiarity.main(["--checkpoint", str(checkpoint), "--scenes", "240", "--device", "cpu"]) == 0
    assert (checkpoint / "familiarity.safetensors").read_bytes() == first


def test_too_few_scenes_are_refused_in_one_line(checkpoint, capsys):
    assert familiarity.main(["--checkpoint", str(checkpoint), "--scenes", "20"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "too few" in line
    assert load_checkpoint(checkpoint).scores is None


def test_of_synthetic_data_as_many_scenes_as_are_asked_for_are_made(checkpoint):
    config = load_config(SMOKE, ["data.size=64", "data.samples=40"])
    assert "240 scenes" in fit_checkpoint(checkpoint, config.data, seed=0, scenes=240, device="cpu")


def test_a_folder_with_too_few_pairs_is_refused(checkpoint, tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for number in range(20):
        sample = synthesise(number, size=64)
        (tmp_path / "images" / f"{number}.png").write_bytes(encode_grey(sample.image))
        (tmp_path / "masks" / f"{number}.png").write_bytes(encode_mask(sample.mask))
    config = load_config(SMOKE, ["data.size=64", "data.samples=null", "data.kind=folder", f"data.folder={tmp_path}"])
    with pytest.raises(UsageError, match="samples to fit on"):
        fit_checkpoint(checkpoint, config.data, seed=0, scenes=240, device="cpu")


def test_a_checkpoint_that_does_not_say_what_it_was_trained_on_is_refused(checkpoint, tmp_path, capsys):
    model = load_checkpoint(checkpoint)
    other = tmp_path / "other"
    save_checkpoint(other, model.net, Metadata(model.metadata.architecture, dict(model.metadata.arguments)))
    assert familiarity.main(["--checkpoint", str(other), "--scenes", "240"]) == 2
    assert "does not say what the model was trained on" in capsys.readouterr().err
