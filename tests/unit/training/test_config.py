from pathlib import Path

import pytest

import training
from shared.errors import UsageError
from shared.net.architectures import build
from training.config import load_config

CONFIGS = sorted((Path(training.__file__).parent / "configs").glob("*.yaml"))

MINIMAL = "name: x\nmodel: {architecture: unet}\nbudget: {max_images: 10}\n"


@pytest.fixture
def minimal(tmp_path):
    path = tmp_path / "minimal.yaml"
    path.write_text(MINIMAL)
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_is_valid_and_builds_its_network(path):
    config = load_config(path)
    assert config.name == path.stem
    build(config.model.architecture, config.model.arguments)


def test_there_are_shipped_configs():
    assert {"compact", "smoke"} <= {path.stem for path in CONFIGS}


def test_overrides_replace_single_values(minimal):
    config = load_config(minimal, ["optimiser.lr=1e-4", "budget.max_minutes=2", "model.arguments.base=8"])
    assert config.optimiser.lr == 1e-4
    assert config.budget.max_minutes == 2
    assert config.budget.max_images == 10
    assert config.model.arguments == {"base": 8}


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("optimiser.learning_rate=1", "optimiser.learning_rate"),
        ("speed=1", "speed"),
        ("optimiser.lr=-1", "optimiser.lr"),
        ("optimiser.lr=fast", "optimiser.lr"),
        ("optimiser.lr=.nan", "optimiser.lr"),
        ("data.severity=2", "data.severity"),
        ("data.size=100", "data.size"),
        ("precision=fp8", "precision"),
        ("name.first=x", "name is a value"),
        ("optimiser.lr", "key=value"),
        ("optimiser.lr=[", "optimiser.lr"),
    ],
)
def test_an_unknown_key_or_a_bad_value_is_refused_by_its_name(minimal, override, named):
    with pytest.raises(UsageError, match=named) as caught:
        load_config(minimal, [override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "no settings"), ("[1]", "no settings"), ("a: [", "not YAML"), ("name: x", "budget")],
)
def test_a_file_that_is_no_config_is_refused(tmp_path, text, reason):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=reason):
        load_config(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(tmp_path / "missing.yaml")
