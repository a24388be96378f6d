"""The training config: a YAML file and overrides of single values, checked before anything runs.

An unknown key, a missing one or a value out of range is refused by its name.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from shared.errors import UsageError
from shared.ranges import Share
from training.data.config import DataConfig


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelConfig(_Section):
    """The network; `arguments` are its keyword arguments."""

    architecture: str
    arguments: dict[str, Any] = Field(default_factory=dict)

    @property
    def channels(self) -> int:
        """How many channels of an image it takes."""
        return int(self.arguments.get("in_channels", 1))

    @property
    def knows_padding(self) -> bool:
        """Whether it is told where an image is padded."""
        return self.arguments.get("knows_padding") is True


class PhaseConfig(_Section):
    """A phase of the curriculum; it begins where the one before it ends."""

    name: str
    until_epoch: PositiveInt  # the last epoch of the phase
    noise_scale: Share  # of the severity
    mixed_prob: Share


class CurriculumConfig(_Section):
    """Difficulty of the synthetic samples: phases by epoch, or a ramp by images, or neither."""

    severity: Share = 1.0  # of the noise, once the ramp or the phases are over
    mixed_prob: Share = 0.6
    ramp_images: NonNegativeInt = 0  # over which the severity rises to its value
    ramp_start: Share = 0.2  # of the severity, at the first image
    phases: tuple[PhaseConfig, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        ends = [phase.until_epoch for phase in self.phases]
        if ends != sorted(set(ends)):
            raise ValueError("each phase must end after the one before it")
        if self.phases and self.ramp_images:
            raise ValueError("give either phases or ramp_images")
        return self


class Ramp(_Section):
    """A weight that moves in a straight line from `start` to `end`; one number is a weight that stays.

    It moves between two epochs (counted from 1; epoch 20 is the line's start while epoch 20 is trained), or over
    the whole run where none are named.
    """

    start: NonNegativeFloat
    end: NonNegativeFloat
    epochs: tuple[PositiveInt, PositiveInt] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_number(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Ramp) else {"start": value, "end": value}

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.epochs is not None and self.epochs[0] >= self.epochs[1]:
            raise ValueError("epochs: the second must be after the first")
        return self


class LossConfig(_Section):
    """alpha · Dice + beta · binary cross-entropy + gamma · boundary Tversky."""

    alpha: Ramp = Ramp(start=1, end=1)
    beta: Ramp = Ramp(start=1, end=1)
    gamma: Ramp = Ramp(start=0, end=0)
    false_positives: NonNegativeFloat = 0.7  # the boundary term's weights
    false_negatives: NonNegativeFloat = 0.3
    band_px: PositiveInt = 5  # on either side of the contour


class OptimiserConfig(_Section):
    """AdamW, or Muon for the convolutions and AdamW for the rest; warm-up and a cosine to zero over the budget."""

    kind: Literal["adamw", "muon"] = "adamw"
    lr: PositiveFloat = 1.5e-3  # AdamW's
    muon_lr: PositiveFloat = 4e-3
    weight_decay: NonNegativeFloat = 1e-2
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.03  # of the budget
    warmup_epochs: NonNegativeFloat | None = None  # instead of `warmup`
    clip_norm: PositiveFloat = 1.0
    batch_size: PositiveInt = 16  # images in one step, over all processes and accumulated parts
    accumulation: PositiveInt = 1  # parts that a step's batch is computed in, for less memory
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.998  # the average of the weights that is kept; 0: none
    # Images from which the statistics of batch normalisation are taken anew for the weights that are kept; 0: as
    # they were gathered while training.
    precise_bn_images: NonNegativeInt = 0


class BudgetConfig(_Section):
    """The end of training: whichever is spent first, the epochs or images, or the minutes."""

    epochs: PositiveInt | None = None
    max_images: PositiveInt | None = None  # instead of epochs
    max_minutes: PositiveFloat | None = None

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if (self.epochs is None) == (self.max_images is None):
            raise ValueError("give either epochs or max_images")
        return self


class ValidationConfig(_Section):
    """Times at which the averaged weights are scored and saved: every so many minutes, or at the end of every epoch."""

    every_minutes: PositiveFloat | None = None  # None: at the end of every epoch
    first_minutes: PositiveFloat | None = None  # until the first one; None: as those that follow
    keep: Literal["last", "best"] = "last"  # which weights the run ends with; the best are those of the highest Dice
    patience: PositiveInt | None = None  # validations without a better Dice until training stops; None: never early
    min_delta: NonNegativeFloat = 0.001  # of Dice; less is no better


class CalibrationConfig(_Section):
    """Held-out samples that the logits' slope and offset are fitted on at the end of the run; 0: as they are."""

    images: NonNegativeInt = 0


class FamiliarityConfig(_Section):
    """Held-out samples that quality and familiarity of results are fitted on at the end of the run; 0: they are not."""

    scenes: NonNegativeInt = 0


class LikelihoodConfig(_Section):
    """Fitting of the table of a network with `likelihood`, before training (`training.recipe.likelihood`)."""

    histograms: int = Field(default=40_000, ge=20)  # simulated, of noises of the task
    passes: PositiveInt = 150  # over them
    batch_size: PositiveInt = 256
    lr: PositiveFloat = 2e-3
    weight_decay: NonNegativeFloat = 3e-2


class WatchConfig(_Section):
    """Signs of a collapse of the training, and how often to look for them."""

    every_images: PositiveInt = 1000
    grace_images: NonNegativeInt = 2000  # before the first look
    # Of the training batches' pixels: the share that the network takes for foreground, in that which is foreground; and
    # likewise of the background, of which it has to leave 1 - max_foreground.
    min_foreground: Share = 0.05
    max_foreground: Share = 0.95
    min_clean_dice: Share = 0.2
    max_fall: Share = 0.5  # of the clean Dice, as a share of the best so far
    batches: PositiveInt = 1  # of held-out clean samples that the clean Dice is taken from
    looks: PositiveInt = 2  # bad ones in a row until training stops


class TrainingConfig(_Section):
    """One training run."""

    name: str
    seed: int = Field(default=0, ge=0, lt=2**16)
    model: ModelConfig
    data: DataConfig = DataConfig()
    curriculum: CurriculumConfig = CurriculumConfig()
    loss: LossConfig = LossConfig()
    likelihood: LikelihoodConfig = LikelihoodConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    budget: BudgetConfig
    validation: ValidationConfig = ValidationConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    familiarity: FamiliarityConfig = FamiliarityConfig()
    watch: WatchConfig = WatchConfig()
    # "auto": bfloat16 where a trial says that this machine is faster in it, else float32 (float16 on older GPUs).
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "bf16"
    compile: bool = False  # torch.compile
    channels_last: bool = True
    threads: PositiveInt | None = None  # torch's; None leaves torch's own choice

    @model_validator(mode="after")
    def _fits(self) -> Self:
        in_epochs = self.budget.epochs is not None
        ramps = (self.loss.alpha, self.loss.beta, self.loss.gamma)
        of_epochs = self.curriculum.phases or any(ramp.epochs for ramp in ramps) or self.optimiser.warmup_epochs
        if of_epochs and not in_epochs:
            raise ValueError("budget.epochs: the curriculum's phases, a loss's ramp or the warm-up count in epochs")
        if self.model.arguments.get("in_channels", 1) != 1 and self.data.kind != "folder":
            raise ValueError("model.arguments.in_channels: several channels are those of a folder's images alone")
        if self.optimiser.batch_size % self.optimiser.accumulation:
            raise ValueError("optimiser.accumulation: it must divide optimiser.batch_size")
        if self.optimiser.warmup_epochs is not None and self.optimiser.warmup_epochs >= (self.budget.epochs or 0):
            raise ValueError("optimiser.warmup_epochs: the warm-up must end before the run does")
        return self


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Read a YAML config and apply `dotted.key=value` overrides (values in YAML).

    Raises:
        UsageError: the file or an override cannot be used; every key at fault is named.
    """
    return check_config(read_config(path), overrides, f"the config {path}")


def read_config(path: Path) -> dict[str, Any]:
    """Read the settings of a YAML config, unchecked.

    Raises:
        UsageError: the file cannot be read, or holds none.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the config {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"the config {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise UsageError(f"the config {path} holds no settings")
    return data


def override(config: TrainingConfig, overrides: Sequence[str]) -> TrainingConfig:
    """Return the config with `dotted.key=value` overrides applied.

    Raises:
        UsageError: an override cannot be used.
    """
    return check_config(config.model_dump(mode="json"), overrides, f"the config {config.name}")


def check_config(data: dict[str, Any], overrides: Sequence[str], name: str) -> TrainingConfig:
    """Validate settings with overrides applied.

    Args:
        data: the settings as YAML gives them; the overrides are written into it.
        overrides: `dotted.key=value`, the values in YAML.
        name: whose settings they are, for an error.

    Raises:
        UsageError: an unknown key, a missing one or a value out of range.
    """
    for override in overrides:
        apply_override(data, override)
    try:
        return TrainingConfig.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(_problem(e["loc"], e["msg"]) for e in error.errors())
        raise UsageError(f"{name} cannot be used: {problems}") from error


def _problem(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    return ": ".join(part for part in (".".join(map(str, location)), message[:1].lower() + message[1:]) if part)


def apply_override(data: dict[str, Any], override: str) -> None:
    """Set one dotted key; a key that does not exist is found by the validation that follows.

    Raises:
        UsageError: it is not written as key=value, or the value is no YAML.
    """
    key, separator, value = override.partition("=")
    if not separator:
        raise UsageError(f"--set {override}: write it as key=value, for example data.size=256")
    try:
        put(data, key, yaml.safe_load(value))
    except yaml.YAMLError as error:
        raise UsageError(f"--set {override}: the value is not YAML") from error


def put(data: dict[str, Any], key: str, value: Any) -> None:
    """Set the value of a dotted key, making its sections where they are missing.

    Raises:
        UsageError: a value stands in the place of a section.
    """
    *sections, name = key.split(".")
    for section in sections:
        data = data.setdefault(section, {})
        if not isinstance(data, dict):
            raise UsageError(f"--set {key}: {section} is a value, not a section")
    data[name] = value
