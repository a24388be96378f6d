"""The training config: a YAML file and `--set key=value` overrides, checked before anything runs.

An unknown key, a missing one or a value out of range is refused by its name.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import UsageError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(_Section):
    """Which network; `arguments` are its keyword arguments."""

    architecture: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class DataConfig(_Section):
    """What the training samples are like."""

    size: int = Field(default=512, ge=64, multiple_of=16)  # px
    severity: Share = 1.0  # of the noise, once the ramp is over
    mixed_prob: Share = 0.6
    clean_share: Share = 0.12  # of the samples carry no noise at all
    ramp_images: int = Field(default=0, ge=0)  # over which the severity rises to its value
    ramp_start: Share = 0.2  # of the severity, at the first image
    workers: int = Field(default=1, ge=0)  # processes that synthesise; 0 does it in the training process


class LossConfig(_Section):
    """Weights of the two parts of the loss."""

    dice: float = Field(default=1.0, ge=0)
    bce: float = Field(default=1.0, ge=0)


class OptimiserConfig(_Section):
    """AdamW with warm-up and a cosine to zero over the budget."""

    lr: Positive = 1.5e-3
    weight_decay: float = Field(default=1e-2, ge=0)
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.03  # of the budget
    clip_norm: Positive = 1.0
    batch_size: Count = 16
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.998  # the average of the weights that is kept


class BudgetConfig(_Section):
    """Training ends with whichever budget is spent first."""

    max_images: Count
    max_minutes: Positive | None = None


class ValidationConfig(_Section):
    """How often the averaged weights are scored and saved, on how many held-out scenes."""

    every_minutes: Positive = 5.0
    scenes: Count = 64


class TrainingConfig(_Section):
    """One training run."""

    name: str
    seed: int = Field(default=0, ge=0, lt=2**16)
    model: ModelConfig
    data: DataConfig = DataConfig()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    budget: BudgetConfig
    validation: ValidationConfig = ValidationConfig()
    precision: Literal["fp32", "bf16"] = "bf16"
    threads: Count | None = None  # torch's; None leaves torch's own choice


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Read a YAML config and apply `dotted.key=value` overrides (values in YAML). Raises `UsageError`."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the config {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"the config {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise UsageError(f"the config {path} holds no settings")
    for override in overrides:
        _apply(data, override)
    try:
        return TrainingConfig.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors())
        raise UsageError(f"the config {path} cannot be used: {problems}") from error


def _apply(data: dict[str, Any], override: str) -> None:
    """Set one dotted key; a key that does not exist is found by the validation that follows."""
    key, separator, value = override.partition("=")
    if not separator:
        raise UsageError(f"--set {override}: write it as key=value, for example optimiser.lr=1e-4")
    *sections, name = key.split(".")
    for section in sections:
        data = data.setdefault(section, {})
        if not isinstance(data, dict):
            raise UsageError(f"--set {override}: {section} is a value, not a section")
    try:
        data[name] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {override}: the value is not YAML") from error
