"""Which jobs, and new ones."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from admin.api.requests.base import IsNumber, JobName, Page, PriorityWord, Request, Text, one_of
from admin.api.requests.images import Files, Images, NewJob, Scale, Threshold
from admin.web.delivery.limits import MAX_IMAGES
from shared.errors import ItemErrorCode
from shared.flows.exports.registry import DEFAULT, EXPORTS, export_named
from shared.flows.item_words import FilterWords, as_a_value
from shared.flows.synthetic import MAX_DOTS, MAX_JITTER, MAX_SEED
from shared.images.scale import AUTO_SCALE
from shared.jobs.records import Priority
from shared.ranges import Share
from shared.synth import DEFAULT_DEFINITION, DEFINITIONS, NOISE_LABELS


class JobsPage(Page):
    """Which page of jobs."""

    id_ends: str | None = Field(
        default=None, pattern=r"^[0-9a-f-]{4,36}$", description="Those alone whose ids end like this, on one page."
    )


def _split(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def _without_default(schema: dict[str, Any]) -> None:
    """What stands for nothing is no text, as the schema wants it."""
    schema.pop("default")


class Retry(Request):
    """Which failures are tried again."""

    codes: Annotated[
        list[ItemErrorCode],
        BeforeValidator(_split),
        WithJsonSchema({"type": "string", "examples": ["source_missing", "truncated,too_small"]}),
    ] = Field(
        default=[],
        description="Codes with commas between them; without any, all that did not succeed.",
        json_schema_extra=_without_default,
    )


_ExportName = Annotated[
    str,
    AfterValidator(lambda name: as_a_value(export_named, name).name),
    WithJsonSchema({"type": "string", "enum": list(EXPORTS)}),
]


class ResultsFormat(FilterWords):
    """In which format results leave, and of which images."""

    format: _ExportName = Field(
        default=DEFAULT.name, description=" ".join(f"`{name}`: {of.description}." for name, of in EXPORTS.items())
    )


class Upload(Images, Files):
    """A job of uploaded images."""


class Changes(Request):
    """What a clone has of its own. What is left out is as in the job that is cloned."""

    model: Text | None = Field(
        default=None, description="The published model, by its name or digits of its SHA-256; null: the active one."
    )
    threshold: Threshold | None = Field(default=None, description="Null: the model's own.")
    scale: Scale | Literal["auto"] = Field(default=1.0, description="Resamples the images for the network.")

    @property
    def factor(self) -> float:
        """Return by how much images are resampled, or that each has its own."""
        return AUTO_SCALE if isinstance(self.scale, str) else self.scale


class Clone(Changes):
    """The inputs of a job once more. What is left out is as in that job."""

    name: JobName | None = Field(default=None, description="Null: that of the job, with “, again”.")
    priority: PriorityWord = Field(default=Priority.NORMAL.word, validate_default=True)


class Synthetic(NewJob):
    """A job of generated images; what is null is drawn for each of them."""

    name: JobName = "synthetic"
    count: Annotated[int, Field(ge=1, le=MAX_IMAGES), IsNumber]
    seed: Annotated[int, Field(ge=0, le=MAX_SEED), IsNumber] = 0
    num_dots: Annotated[int, Field(ge=1, le=MAX_DOTS), IsNumber] | None = None
    jitter: Annotated[float, Field(ge=0, le=MAX_JITTER), IsNumber] | None = None
    severity_from: Annotated[Share, IsNumber] = Field(default=0.0, description="Not larger than `severity_to`.")
    severity_to: Annotated[Share, IsNumber] = Field(default=1.0, description="Not smaller than `severity_from`.")
    noise: Annotated[str, *one_of(NOISE_LABELS)] | None = None
    definition: Annotated[str, *one_of(DEFINITIONS)] = Field(
        default=DEFAULT_DEFINITION, description="Of the task, by name."
    )

    @model_validator(mode="after")
    def _severity_rises(self) -> Self:
        if self.severity_from > self.severity_to:
            raise ValueError("severity_from is not larger than severity_to")
        return self
