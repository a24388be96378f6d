"""`python -m training.publish` on SQLite and a folder."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from shared.db.model_registry import ModelRegistry
from shared.net.architectures import build
from shared.net.checkpoint import FAMILIARITY_NAME, METADATA_NAME, WEIGHTS_NAME, Metadata, save_checkpoint, save_scores
from shared.net.weights_file import file_sha256
from shared.services import Services
from shared.store import keys
from tests.unit.net.fitted import SCORES
from training import publish

TINY = {"base": 2, "levels": 2, "stem": 4}


@pytest.fixture(autouse=True)
def services(own_services: Services) -> Services:
    return own_services


@pytest.fixture
def registry(services: Services) -> ModelRegistry:
    return ModelRegistry(services.database, services.store)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    metadata = Metadata("attention_unet", TINY, threshold=0.4, metrics={"val": {"dice": 0.5}})
    save_checkpoint(folder, build("attention_unet", TINY), metadata)
    return folder


def test_a_checkpoint_is_entered_with_its_own_bytes_and_can_be_entered_again(checkpoint, registry, services, capsys):
    for _run in range(2):
        assert publish.main(["--checkpoint", str(checkpoint)]) == 0
    [model] = registry.models()
    assert capsys.readouterr().out.splitlines() == [f"published {model.sha256[:12]} tiny, 0.0 MB"] * 2
    assert services.store.get(keys.model_weights(model.sha256)) == (checkpoint / WEIGHTS_NAME).read_bytes()
    assert services.store.get(keys.model_metadata(model.sha256)) == (checkpoint / METADATA_NAME).read_bytes()
    assert (model.name, model.summary["threshold"], model.summary["metrics"]) == ("tiny", 0.4, {"val": {"dice": 0.5}})
    assert registry.active() is None


def test_fitted_scores_are_published_with_it_and_again_when_they_are_fitted_anew(checkpoint, registry, services):
    assert publish.main(["--checkpoint", str(checkpoint)]) == 0
    [model] = registry.models()
    assert not services.store.exists(keys.model_familiarity(model.sha256))
    save_scores(checkpoint, SCORES, {"scenes": 2000})
    assert publish.main(["--checkpoint", str(checkpoint)]) == 0
    stored = services.store.get(keys.model_familiarity(model.sha256))
    assert stored == (checkpoint / FAMILIARITY_NAME).read_bytes()
    assert services.store.get(keys.model_metadata(model.sha256)) == (checkpoint / METADATA_NAME).read_bytes()


def test_activate_makes_it_the_model_of_new_jobs(checkpoint, registry):
    arguments = ["--checkpoint", str(checkpoint / WEIGHTS_NAME), "--name", "a name", "--activate"]
    assert publish.main(arguments) == 0
    active = registry.active()
    assert active is not None
    assert active.name == "a name"


def test_a_page_in_place_of_weights_is_refused_before_anything_is_stored(checkpoint, registry, services, capsys):
    (checkpoint / WEIGHTS_NAME).write_bytes(b"<!doctype html><html></html>")
    assert publish.main(["--checkpoint", str(checkpoint), "--activate"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "a web page" in line
    assert registry.models() == []
    assert list(services.store.list("models/")) == []


def test_a_folder_that_changes_meanwhile_is_refused(checkpoint, registry, monkeypatch, capsys):
    real = publish.load_checkpoint

    def load_and_change(path: Path) -> object:
        loaded = real(path)
        save_checkpoint(checkpoint, build("attention_unet", TINY), Metadata("attention_unet", TINY))
        return loaded

    monkeypatch.setattr(publish, "load_checkpoint", load_and_change)
    assert publish.main(["--checkpoint", str(checkpoint)]) == 2
    assert "is being written to" in capsys.readouterr().err
    assert registry.models() == []


@pytest.mark.parametrize(
    ("variable", "value", "code", "reason"),
    [
        ("DATABASE_URL", "postgresql://127.0.0.1:1/none", 3, "the database does not answer"),
        ("DATABASE_URL", "sqlite:////nowhere/db", 2, "there is no database at /nowhere/db"),
        ("STORE_URL", "nonsense", 2, "STORE_URL"),
    ],
)
def test_services_that_cannot_be_used_are_one_line(checkpoint, monkeypatch, capsys, variable, value, code, reason):
    monkeypatch.setenv(variable, value)
    assert publish.main(["--checkpoint", str(checkpoint)]) == code
    [line] = capsys.readouterr().err.splitlines()
    assert reason in line


class TestAnswers:
    """What a network says of some pictures decides whether anybody may use it."""

    @pytest.fixture
    def saved(self, tmp_path: Path):
        def save(change) -> Path:
            torch.manual_seed(0)
            net = build("attention_unet", TINY)
            with torch.no_grad():
                change(net)
            save_checkpoint(tmp_path / "tiny", net, Metadata("attention_unet", TINY))
            return tmp_path / "tiny"

        return save

    @pytest.mark.parametrize(("bias", "word"), [(-20.0, "blank"), (20.0, "full")])
    def test_the_same_answer_to_everything_is_refused(self, saved, registry, capsys, bias, word):
        def deaf(net) -> None:
            net.head.weight.zero_()
            net.head.bias.fill_(bias)

        assert publish.main(["--checkpoint", str(saved(deaf)), "--activate"]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert f"all masks would be {word}" in line
        assert registry.models() == []

    def test_finite_weights_whose_answers_are_no_numbers_are_refused(self, saved, registry, capsys):
        def overflowing(net) -> None:
            for parameter in net.parameters():
                parameter.fill_(1e30)

        assert publish.main(["--checkpoint", str(saved(overflowing))]) == 2
        assert "with no numbers" in capsys.readouterr().err
        assert registry.models() == []

    def test_weights_of_nan_are_refused(self, checkpoint, registry, capsys):
        weights = checkpoint / WEIGHTS_NAME
        before = file_sha256(weights)
        tensors = {name: tensor for name, tensor in load_file(weights).items() if tensor.is_floating_point()}
        save_file(load_file(weights) | {name: tensor * float("nan") for name, tensor in tensors.items()}, weights)
        described = (checkpoint / METADATA_NAME).read_text()
        (checkpoint / METADATA_NAME).write_text(described.replace(before, file_sha256(weights)))
        assert publish.main(["--checkpoint", str(checkpoint), "--activate"]) == 2
        assert "NaN or infinity" in capsys.readouterr().err
        assert registry.models() == []
