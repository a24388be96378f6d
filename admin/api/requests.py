"""What the API takes: queries and bodies, checked at run time and drawn into the document."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from admin.api.export_name import ExportName
from admin.web.delivery.limits import MAX_FILES, MAX_IMAGES
from shared.db.events import EventKind, EventSource
from shared.errors import ItemErrorCode, UsageError
from shared.flows.exports.registry import DEFAULT, EXPORTS
from shared.flows.item_words import FilterWords, ItemWords, as_a_value
from shared.flows.pages import FIRST_PAGE, PAGES_PATTERN, pages_of_text
from shared.flows.synthetic import MAX_DOTS, MAX_JITTER, MAX_SEED
from shared.images.channel_choice import AUTO, CHANNEL_PATTERN, channel_of
from shared.images.scale import MAX_SCALE, MIN_SCALE
from shared.jobs.bulk_actions import MAX_SELECTED, BulkKind
from shared.jobs.filters import OWN_MODEL
from shared.jobs.grades import MAX_NOTE_LENGTH, Grade
from shared.jobs.item_filter import ItemSort
from shared.jobs.item_search import Place
from shared.jobs.records import Priority, Unfamiliar
from shared.jobs.state import JobKind, JobStatus
from shared.objects.options import MAX_MIN_AREA, MAX_SMOOTH, PostProcessing
from shared.pixel_size import PixelSize
from shared.ranges import Share
from shared.synth import DEFAULT_DEFINITION, DEFINITIONS, NOISE_LABELS
from shared.upkeep.webhook_post import MAX_URL_LENGTH

T = TypeVar("T")

MAX_PAGE_SIZE = 500
MAX_PATHS = 1000
MAX_SUBMISSIONS = 20

Pages = Annotated[str, Field(pattern=PAGES_PATTERN), AfterValidator(lambda text: _understood(pages_of_text, text).text)]
Channel = Annotated[str, Field(pattern=CHANNEL_PATTERN), AfterValidator(lambda text: _understood(channel_of, text))]
# Of a manifest; PostgreSQL takes no NUL.
Column = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\u0000]*$")]
Cell = Annotated[str, Field(max_length=2000, pattern=r"^[^\u0000]*$")]
Scale = Annotated[float, Field(ge=MIN_SCALE, le=MAX_SCALE)]
# Neither control characters (PostgreSQL takes no NUL), line separators nor what turns text round; not blank.
_UNUSABLE = r"\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
JobName = Annotated[
    str, Field(min_length=1, max_length=200, pattern=rf"^[^{_UNUSABLE}]*[^\s{_UNUSABLE}][^{_UNUSABLE}]*$")
]


Note = Annotated[str, Field(max_length=MAX_NOTE_LENGTH, pattern=r"^[^\u0000]*$")]


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, AfterValidator(_in_utc)]


def _relative(path: str) -> str:
    if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("this is no relative path to a file")
    return path


def _understood(understand: Callable[[str], T], text: str) -> T:
    """Return what a text says; pydantic knows errors of values alone."""
    try:
        return understand(text)
    except UsageError as error:
        raise ValueError(str(error)) from error


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("this is no number")
    return value


# Pydantic would take `true` and "2" for numbers.
_IsNumber = BeforeValidator(_number)


def _named(names: Iterable[str]) -> tuple[AfterValidator, WithJsonSchema]:
    """What lets these names pass alone, and says so in the document."""
    known = list(names)

    def check(name: str) -> str:
        if name not in known:
            raise ValueError(f"choose one of {', '.join(known)}")
        return name

    return AfterValidator(check), WithJsonSchema({"type": "string", "enum": known})


PriorityWord = Annotated[
    Priority,
    BeforeValidator(Priority.of_word),
    WithJsonSchema({"type": "string", "enum": [priority.word for priority in Priority]}),
]


class _Request(BaseModel):
    """What the API takes: a name that it does not know is a mistake, not something to pass over."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class JobsPage(_Request):
    """Which page of jobs."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE_SIZE)
    before: UUID | None = Field(default=None, description="`next` of the page before.")
    id_ends: str | None = Field(
        default=None, pattern=r"^[0-9a-f-]{4,36}$", description="Those alone whose ids end like this, on one page."
    )


class ItemsPage(ItemWords):
    """Which page of a job's images."""

    limit: int = Field(default=100, ge=1, le=MAX_PAGE_SIZE)
    after: str = Field(default="", max_length=8000, description="`next` of the page before.")

    @field_validator("after")
    @classmethod
    def _is_a_place(cls, after: str, info: ValidationInfo) -> str:
        if "sort" in info.data:
            as_a_value(Place.of_word, after, ItemSort.of_word(info.data["sort"]))
        return after


class ObjectsPage(_Request):
    """Which objects of an image."""

    limit: int = Field(default=100, ge=1, le=MAX_PAGE_SIZE)
    after: int = Field(default=0, ge=0, le=10**9, description="The number of the last object of the page before.")


def _split(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def _without_default(schema: dict[str, Any]) -> None:
    """What stands for nothing is no text, as the schema wants it."""
    schema.pop("default")


class Retry(_Request):
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


class Page(_Request):
    """Which page of a list."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE_SIZE)
    before: UUID | None = Field(default=None, description="`next` of the page before.")


_Text = Annotated[str, Field(min_length=1, max_length=200, pattern=rf"^[^{_UNUSABLE}]*$")]


class JobsWanted(_Request):
    """A filter of jobs; what is null asks for nothing. A time without a zone is in UTC."""

    states: list[JobStatus] | None = Field(default=None, max_length=len(JobStatus))
    kind: JobKind | None = None
    owner: _Text | None = None
    since: Moment | None = Field(default=None, description="Submitted then or later.")
    until: Moment | None = Field(default=None, description="Submitted before.")
    text: _Text | None = Field(default=None, description="In the name or the submitter, or the end of the id.")
    cause: ItemErrorCode | None = Field(default=None, description="With an image that failed with this code.")
    model: Annotated[str, Field(pattern=rf"^([0-9a-f]{{4,64}}|{OWN_MODEL})$")] | None = Field(
        default=None, description=f"Digits that its SHA-256 begins with; `{OWN_MODEL}`: each worker's own."
    )


class NewBulkAction(_Request):
    """An action on many jobs: on those of `jobs`, or on all that fulfil `filter` now."""

    action: BulkKind
    jobs: Annotated[list[UUID], Field(min_length=1, max_length=MAX_SELECTED)] | None = None
    filter: JobsWanted | None = Field(default=None, description="`{}` is every job.")
    codes: Annotated[list[ItemErrorCode], Field(max_length=len(ItemErrorCode))] | None = Field(
        default=None, description="Of a retry: what failed with these alone; null: all that did not succeed."
    )
    priority: PriorityWord | None = Field(default=None, description="The new one, for the action `priority`.")


class EventsPage(_Request):
    """Which page of events, and of which. A time without a zone is in UTC."""

    limit: int = Field(default=100, ge=1, le=MAX_PAGE_SIZE)
    before: UUID | None = Field(default=None, description="`next` of the page before.")
    job_id: UUID | None = None
    actor: Annotated[str, Field(max_length=128, pattern=rf"^[^{_UNUSABLE}]*$")] | None = Field(
        default=None, description="The account, or `user@host` of a command line."
    )
    kind: EventKind | None = None
    source: EventSource | None = None
    since: Moment | None = None
    until: Moment | None = Field(default=None, description="Events before this time alone.")


class ResultsFormat(FilterWords):
    """In which format results leave, and of which images."""

    format: ExportName = Field(
        default=DEFAULT.name, description=" ".join(f"`{name}`: {of.description}." for name, of in EXPORTS.items())
    )


class _NewJob(_Request):
    """What every new job has."""

    priority: PriorityWord = Field(
        default=Priority.NORMAL.word,
        validate_default=True,
        description="Jobs of a higher priority go first, those of the same take turns. `high` is for a few images "
        "that somebody waits for: before many, all others wait.",
    )


def _checked_pixel_size(text: str) -> str:
    try:
        PixelSize.parse(text)
    except UsageError as error:
        raise ValueError(str(error)) from error
    return text


class _Masks(_Request):
    """What is done to masks before they are stored, in this order, and how large pixels are."""

    smooth: int = Field(
        default=0,
        ge=0,
        le=MAX_SMOOTH,
        description="Each pixel of a mask is as most are within so many px; 0: off.",
    )
    fill_holes: bool = Field(default=False, description="Holes of objects become part of them.")
    min_area: int = Field(default=0, ge=0, le=MAX_MIN_AREA, description="Objects of fewer pixels are dropped.")
    keep_largest: bool = Field(default=False, description="The largest object alone stays.")
    pixel_size: Annotated[str, Field(max_length=64), AfterValidator(_checked_pixel_size)] | None = Field(
        default=None, description="With its unit, `0.65um`, `0.5x0.6um`; null: what each TIFF says of its own."
    )

    @property
    def size_of_pixels(self) -> PixelSize | None:
        """Return how large pixels are, where that is said."""
        return None if self.pixel_size is None else PixelSize.parse(self.pixel_size)

    @property
    def postprocessing(self) -> PostProcessing:
        """Return what is to be done."""
        return PostProcessing(self.smooth, self.fill_holes, self.min_area, self.keep_largest)


class _Images(_NewJob, _Masks):
    """What is asked for of images that are sent."""

    name: JobName = "upload"
    scale: Scale | Literal["auto"] = Field(
        default=1.0,
        description="Resamples the images for the network: 0.25 where dots lie 4 times as far apart as usual; `auto`: "
        "each image by the spacing of its dots. Results have the images' own size.",
    )
    unfamiliar: Unfamiliar = Field(
        default=Unfamiliar.FLAG,
        description="Images unlike anything that the model knows: `flag` says so in their results, `refuse` has them "
        "fail with the code `unfamiliar`.",
    )
    channel: Channel = Field(
        default=AUTO,
        description="What of the images' channels is segmented: `auto` the light, or what shows more, which a note "
        "tells; `luma`, `mean` or `max` of all; `red`, `green`, `blue`; or a channel's number, from 1. An image "
        "without it fails with the code `no_such_channel`.",
    )


class _Files(_Request):
    """How files that are sent become images."""

    pages: Pages = Field(
        default=FIRST_PAGE.text,
        description="Of a TIFF of several pages: `first`, or each of `all`, `3`, `1-10`, `1,4-6` as an image of its "
        "own, called `stack.tif#0007`.",
    )


class Upload(_Images, _Files):
    """A job of uploaded images."""


class Grading(_Request):
    """What a reviewer says of a result."""

    grade: Grade | None = Field(description="Null takes the grade back.")
    note: Note | None = Field(default=None, description="A few words of why.")


Path = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_relative)]
SubmissionName = Annotated[str, Field(min_length=1, max_length=255)]


class NewSubmission(_Images):
    """A job of images that come later."""

    key: SubmissionName | None = Field(
        default=None,
        description="Any text of the client's own, by which an interrupted submission is found.",
    )


class FailedFile(_Request):
    """A file that its sender could not read."""

    path: Path
    code: ItemErrorCode
    error: Annotated[str, Field(max_length=500, pattern=r"^[^\u0000]*$")]


class BatchDetails(_Request):
    """What is known of the files of a batch."""

    paths: list[Path] | None = Field(default=None, description="Of the files, in their order; else their names.")
    modified: dict[Path, Annotated[int, Field(ge=0, lt=2**63)]] = Field(
        default={}, description="When each was last written to, in nanoseconds since 1970."
    )
    replace: list[Path] = Field(default=[], description="Those that take the place of another content.")
    described: dict[Path, dict[Column, Cell]] = Field(
        default={},
        description="What a manifest says of each, or of all pages of each, by column; it comes back with the results.",
    )
    failed: list[FailedFile] = Field(default=[], max_length=MAX_FILES)


class Batch(_Files):
    """Some images of a job."""

    replace: bool = Field(default=False, description="Whether an image takes the place of another one of its path.")
    details: Json[BatchDetails] | None = Field(default=None, description="JSON: what is known of the files.")


class Paths(_Request):
    """Paths to look for in a job."""

    paths: list[Path] = Field(max_length=MAX_PATHS)


class SubmissionKey(_Request):
    """Which submission to look for."""

    key: SubmissionName
    within: float = Field(default=0.0, ge=0, le=86400, description="A job that was sealed so many seconds ago too.")


class Submission(_Request):
    """What to note of a submission."""

    key: SubmissionName | None = None
    awaited: bool | None = Field(default=None, description="Whether its sender waits for the job's end.")


class NewWebhook(_Request):
    """Who is to be told of the ends of jobs."""

    url: str = Field(max_length=MAX_URL_LENGTH, description="https; no address of a private network.")
    owner: Annotated[str, Field(max_length=128, pattern=rf"^[^{_UNUSABLE}]*$")] | None = Field(
        default=None, description="Tell of jobs of this owner alone; null: of all."
    )


class DeliveriesPage(_Request):
    """Which page of messages."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE_SIZE)
    before: UUID | None = Field(default=None, description="`next` of the page before.")


class Predict(_Masks):
    """One image that somebody waits for."""

    scale: Scale | Literal["auto"] = Field(default=1.0, description="As of a job.")
    unfamiliar: Unfamiliar = Field(default=Unfamiliar.FLAG, description="As of a job.")
    channel: Channel = Field(default=AUTO, description="As of a job.")


class Demo(_Request):
    """One generated image that somebody waits for."""

    num_dots: int = Field(default=40, ge=1, le=MAX_DOTS)
    jitter: float = Field(default=0.03, ge=0, le=MAX_JITTER, description="A share of the image's side.")
    severity: Share = Field(default=0.5, description="Of the noise.")
    noise: Annotated[str, *_named(NOISE_LABELS)] | None = Field(default=None, description="Its kind; null: drawn.")
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description="Determines the image; null: any.")


class Correction(_Request):
    """A corrected mask."""


class Synthetic(_NewJob):
    """A job of generated images; what is null is drawn for each of them."""

    name: JobName = "synthetic"
    count: Annotated[int, Field(ge=1, le=MAX_IMAGES), _IsNumber]
    seed: Annotated[int, Field(ge=0, le=MAX_SEED), _IsNumber] = 0
    num_dots: Annotated[int, Field(ge=1, le=MAX_DOTS), _IsNumber] | None = None
    jitter: Annotated[float, Field(ge=0, le=MAX_JITTER), _IsNumber] | None = None
    severity_from: Annotated[Share, _IsNumber] = Field(default=0.0, description="Not larger than `severity_to`.")
    severity_to: Annotated[Share, _IsNumber] = Field(default=1.0, description="Not smaller than `severity_from`.")
    noise: Annotated[str, *_named(NOISE_LABELS)] | None = None
    definition: Annotated[str, *_named(DEFINITIONS)] = Field(
        default=DEFAULT_DEFINITION, description="Of the task, by name."
    )

    @model_validator(mode="after")
    def _severity_rises(self) -> Self:
        if self.severity_from > self.severity_to:
            raise ValueError("severity_from is not larger than severity_to")
        return self
