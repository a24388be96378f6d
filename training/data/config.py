"""The `data` section of a training config: where the samples come from."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt, model_validator

from shared.errors import UsageError
from shared.images.pairs.foreground import Foreground, several
from shared.ranges import Share
from shared.synth import DEFAULT_DEFINITION, Definition, find_definition


class AugmentationConfig(BaseModel):
    """Shares of a folder's training samples that are varied; all are flipped and turned by quarters.

    See `training.data.augmentation`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bend: Share = 0.0  # scaled, turned by any angle and bent
    gain: Share = 0.0  # brighter or darker, of more or less contrast
    gamma: Share = 0.0
    blur: Share = 0.0
    noise: Share = 0.0


class DataConfig(BaseModel):
    """Scenes of a definition of the task that are made while training, image/mask pairs of a folder, or of jobs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["synthetic", "folder", "job"] = "synthetic"
    size: int = Field(default=512, ge=64, le=4096, multiple_of=16)  # px, of the square samples
    samples: PositiveInt | None = None  # of an epoch; None: 5,000 scenes, or every pair of the folder once
    validation_samples: PositiveInt = 2000  # at most; a folder has what its validation share gives

    # Of the task: its scenes where they are synthetic, and of any data the noises that a likelihood table is fitted on.
    definition: str = DEFAULT_DEFINITION  # a name of shared.synth.DEFINITIONS

    # Of synthetic scenes.
    mixture: dict[str, Share] = Field(default_factory=dict)  # shares of other definitions among the training samples
    held_out: tuple[str, ...] = ()  # families of these definitions that are not trained on, beside their own
    tile_share: Share = 0.0  # of the training samples that are cut from wide pictures, as a large image's tiles are
    clean_share: Share = 0.0  # of the samples that carry no noise at all
    inverted_share: Share = 0.0  # of the training samples shown as dark dots on light ground
    workers: int = Field(default=1, ge=0)  # processes that make them where training runs on a CPU; 0: itself

    # Of a folder of images and masks, see shared.images.pairs.layout.
    folder: Path | None = None
    # What of a mask is foreground: "nonzero", "half" (over half of the range), "alpha" (what is opaque), or the values
    # that are, and colours as "#rrggbb"; None: by a rule that all masks bear out, see shared.images.pairs.foreground.
    foreground: Annotated[Foreground | None, BeforeValidator(several)] = None
    mask_suffix: str | None = None  # that a mask's name has behind its image's, where it is no usual one
    fold: Annotated[str, Field(pattern=r"^[1-9]\d*/[1-9]\d*$")] | None = None  # "2/5": the second of five is held out
    augmentation: AugmentationConfig = AugmentationConfig()
    foreground_share: Share = 0.0  # of the training samples that are cut where there is foreground
    cache_mib: int = Field(default=2048, ge=0)  # memory for pairs that have been read
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.2  # of the pairs
    split_seed: int = Field(default=0, ge=0)

    # Of jobs, whose accepted and corrected results are the pairs.
    jobs: tuple[str, ...] = ()  # their ids, or endings of them; none: all that there are
    scene_share: Share = 0.0  # of the training samples that are scenes of `definition`

    @model_validator(mode="after")
    def _jobs_belong_to_their_kind(self) -> Self:
        if (self.jobs or self.scene_share) and self.kind != "job":
            raise ValueError("give jobs and scene_share with kind: job, and with no other kind")
        return self

    @model_validator(mode="after")
    def _definitions_are_known(self) -> Self:
        try:
            self.definitions()
        except UsageError as error:
            raise ValueError(str(error)) from error
        if sum(self.mixture.values()) > 1:
            raise ValueError("mixture: the shares of other definitions add up to more than 1")
        return self

    def definitions(self) -> dict[str, Definition]:
        """Return the definitions of the training samples by name, the main one first, without what is held out.

        Raises:
            UsageError: a name is not known, or nothing is left to train on.
        """
        found = {name: find_definition(name) for name in (self.definition, *self.mixture)}
        return {name: definition.without(self.held_out) for name, definition in found.items()}

    @model_validator(mode="after")
    def _folder_belongs_to_its_kind(self) -> Self:
        if (self.folder is not None) != (self.kind == "folder"):
            raise ValueError("give a folder with kind: folder, and with no other kind")
        return self
