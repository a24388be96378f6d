from pathlib import Path

import pytest

import training
from shared.errors import UsageError
from shared.net.architectures import build
from training.beginning import completed
from training.config import check_config, load_config, override, read_config

CONFIGS = sorted((Path(training.__file__).parent / "configs").glob("*.yaml"))

MINIMAL = "name: x\nmodel: {architecture: unet}\nbudget: {max_images: 10}\n"


@pytest.fixture
def minimal(tmp_path):
    path = tmp_path / "minimal.yaml"
    path.write_text(MINIMAL)
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_is_valid_and_builds_its_network(path):
    settings = read_config(path)
    if settings.pop("fingerprint", False):  # the rest is chosen, of images that are not here
        settings = completed(settings)
        settings["data"]["folder"] = "my-pairs"
    config = check_config(settings, (), path.stem)
    assert config.name == path.stem
    build(config.model.architecture, config.model.arguments)


def test_there_are_shipped_configs():
    assert {"compact", "seed", "smoke", "unet"} <= {path.stem for path in CONFIGS}


def test_the_seed_config_is_the_published_recipe():
    config = load_config(CONFIGS[0].parent / "seed.yaml")
    assert config.model.arguments == {"base": 64, "levels": 5, "stem": 1, "dropout": 0.1}
    optimiser = config.optimiser
    assert (optimiser.lr, optimiser.weight_decay, optimiser.clip_norm, optimiser.batch_size) == (1e-4, 1e-5, 1.0, 8)
    assert (config.budget.epochs, optimiser.warmup_epochs, config.data.size) == (80, 3, 512)
    assert (config.data.samples, config.data.validation_samples) == (5000, 2000)
    assert (config.validation.patience, config.validation.min_delta) == (15, 0.001)


def test_the_unet_differs_from_the_seed_in_its_network_alone():
    seed, unet = (load_config(CONFIGS[0].parent / f"{name}.yaml") for name in ("seed", "unet"))
    assert unet.model.architecture == "unet"
    assert unet.model_copy(update={"name": "seed", "model": seed.model}) == seed


def test_overrides_replace_single_values(minimal):
    config = load_config(minimal, ["optimiser.lr=1e-4", "budget.max_minutes=2", "model.arguments.base=8"])
    assert config.optimiser.lr == 1e-4
    assert config.budget.max_minutes == 2
    assert config.budget.max_images == 10
    assert config.model.arguments == {"base": 8}
    assert override(config, ["loss.gamma=0.5"]).loss.gamma.end == 0.5


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("optimiser.learning_rate=1", "optimiser.learning_rate"),
        ("speed=1", "speed"),
        ("optimiser.lr=-1", "optimiser.lr"),
        ("optimiser.lr=fast", "optimiser.lr"),
        ("optimiser.lr=.nan", "optimiser.lr"),
        ("curriculum.severity=2", "curriculum.severity"),
        ("loss.gamma=-1", "loss.gamma"),
        ("loss.gamma={start: 0, end: 1, epochs: [5, 5]}", "loss.gamma: epochs"),
        ("loss.gamma={start: 0, end: 1, epochs: [1, 5]}", "budget.epochs"),
        ("optimiser.warmup_epochs=1", "budget.epochs"),
        ("optimiser.accumulation=3", "optimiser.accumulation"),
        ("budget.epochs=2", "either epochs or max_images"),
        (
            "curriculum.phases=[{name: a, until_epoch: 2, noise_scale: 1, mixed_prob: 0},"
            " {name: b, until_epoch: 2, noise_scale: 1, mixed_prob: 0}]",
            "curriculum: each phase",
        ),
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
