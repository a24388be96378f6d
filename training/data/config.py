"""The `data` section of a training config: where the samples come from."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from shared.errors import UsageError
from shared.ranges import Share
from shared.synth import DEFAULT_DEFINITION, find_definition


class DataConfig(BaseModel):
    """Scenes of a definition of the task that are made while training, or a folder of image/mask pairs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["synthetic", "folder"] = "synthetic"
    size: int = Field(default=512, ge=64, le=4096, multiple_of=16)  # px, of the square samples
    samples: PositiveInt | None = None  # of an epoch; None: 5,000 scenes, or every pair of the folder once
    validation_samples: PositiveInt = 2000  # at most; a folder has what its validation share gives

    # Of the task: its scenes where they are synthetic, and of any data the noises that a likelihood table is fitted on.
    definition: str = DEFAULT_DEFINITION  # a name of shared.synth.DEFINITIONS

    # Of synthetic scenes.
    clean_share: Share = 0.0  # of the samples that carry no noise at all
    inverted_share: Share = 0.0  # of the training samples shown as dark dots on light ground
    workers: int = Field(default=1, ge=0)  # processes that make them where training runs on a CPU; 0: itself

    # Of a folder, which holds one folder `images` and one `masks`.
    folder: Path | None = None
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2  # of the pairs
    split_seed: int = Field(default=0, ge=0)

    @field_validator("definition")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            find_definition(name)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return name

    @model_validator(mode="after")
    def _folder_belongs_to_its_kind(self) -> Self:
        if (self.folder is not None) != (self.kind == "folder"):
            raise ValueError("give a folder with kind: folder, and with no other kind")
        return self
