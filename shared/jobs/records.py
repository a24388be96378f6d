"""What the repository takes and gives: frozen values, free of SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from shared.db.measurements import Measurements
from shared.db.reasons import UNFAMILIAR_BELOW
from shared.errors import ItemErrorCode
from shared.images.channel_choice import AUTO
from shared.jobs.grades import NO_REVIEW, Review
from shared.jobs.state import ItemCounts, ItemStatus, JobKind, JobStatus
from shared.pixel_size import PixelSize

UPLOAD_QUIET_SECONDS = 60.0
"""How long nothing may be seen of somebody who submits, who says something every ten."""


class Priority(IntEnum):
    """Which job goes first: one of higher priority before all others, equals in turns."""

    LOW = -1
    NORMAL = 0
    HIGH = 1  # somebody sits before it and waits

    @property
    def word(self) -> str:
        """The word for it on the command line and in the API."""
        return self.name.lower()

    @classmethod
    def of_word(cls, word: str) -> "Priority":
        """Return the priority that `word` names.

        Raises:
            ValueError: it names none.
        """
        for priority in cls:
            if priority.word == word:
                return priority
        raise ValueError(f"give one of {', '.join(priority.word for priority in cls)}")


class Unfamiliar(StrEnum):
    """What a job does with an image that looks unlike anything its model knows."""

    FLAG = "flag"  # it succeeds, and says so
    REFUSE = "refuse"  # it fails


class Finding(StrEnum):
    """What a result says: that there is nothing is one too."""

    FOUND = "found"
    NOTHING = "nothing"


class Mark(StrEnum):
    """What can stand out in a result that succeeded."""

    NOTHING_FOUND = "nothing_found"
    UNFAMILIAR = "unfamiliar"
    NOTED = "noted"  # something is to be said of how its file was read

    @property
    def label(self) -> str:
        """Words for people."""
        return "with a note" if self is Mark.NOTED else self.value.replace("_", " ")


def marks_of(measured: Measurements[Any], note: str | None) -> tuple[Mark, ...]:
    """Return what stands out in a result and its note. `shared.jobs.item_filter.MARKED` asks the same of rows."""
    holds = {
        Mark.NOTHING_FOUND: measured.foreground == 0,
        Mark.UNFAMILIAR: measured.familiarity is not None and measured.familiarity < UNFAMILIAR_BELOW,
        Mark.NOTED: note is not None,
    }
    return tuple(mark for mark, is_so in holds.items() if is_so)


@dataclass(frozen=True)
class Marks:
    """How many results of a job stand out, by mark; and the unfamiliar ones by their reason."""

    nothing_found: int = 0
    unfamiliar: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    noted: int = 0


class ScoreSums(NamedTuple):
    """What the results of a job that were scored against a truth add up to; scores are in [0, 1]."""

    images: int
    dice: float
    iou: float
    lowest_dice: float


@dataclass(frozen=True)
class Job:
    """A job with the counts of its items. Times are Unix seconds."""

    id: str
    kind: JobKind
    name: str
    state: JobStatus
    priority: int
    submitted_by: str
    created_at: float
    started_at: float | None
    finished_at: float | None
    sealed_at: float | None
    cancel_requested_at: float | None
    counts: ItemCounts
    model: str | None = None  # sha256 of the model that its images get; None: the worker's own
    model_name: str | None = None  # as it was published
    threshold: float | None = None  # at which their maps are cut; None: that of the model
    scale: float = 1.0  # by which its images are resampled for the network; results have the images' own size
    unfamiliar: Unfamiliar = Unfamiliar.FLAG
    channel: str = AUTO  # what of its images' channels is taken, see `shared.images.channel_choice`
    pixel_width_um: float | None = None  # as was said with the job; None: as its files say
    pixel_height_um: float | None = None
    postprocessing: str = ""  # what is done to its masks, the text of a `shared.objects.processing.PostProcessing`
    inputs_of: str | None = None  # the job in whose folder its inputs are, of a clone
    sources_removed_at: float | None = None  # from when on its sources go
    abandoned_at: float | None = None  # when it was ended before its submission was complete
    worked_seconds: float | None = None  # while images that succeeded were in work, once it has ended
    quiet_for: float | None = None  # seconds since somebody was last seen submitting; None where that is complete
    owner: str | None = None  # whose it is

    @property
    def pixel_size(self) -> PixelSize | None:
        """The size of a pixel of its images, where it was said with the job."""
        return pixel_size_of(self.pixel_width_um, self.pixel_height_um)

    @property
    def upload_words(self) -> str | None:
        """What is to be said of a submission that is not, or never was, complete."""
        if self.abandoned_at is not None:
            return "upload never finished"
        if self.quiet_for is None or self.cancel_requested_at is not None or self.state.is_final:
            return None
        return f"upload stopped {_ago(self.quiet_for)}" if self.upload_stopped else "still uploading"

    @property
    def upload_stopped(self) -> bool:
        """Whether nobody has been seen submitting for a while, though the submission is not complete."""
        return not self.state.is_final and self.quiet_for is not None and self.quiet_for > UPLOAD_QUIET_SECONDS


def pixel_size_of(x: float | None, y: float | None) -> PixelSize | None:
    """Return the size of a pixel from its width and height in µm, as columns have them."""
    return None if x is None or y is None else PixelSize(x, y)


def _ago(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago"


class FileVersion(NamedTuple):
    """What tells a file from what it was before or will be."""

    size: int  # bytes
    modified: int  # nanoseconds since 1970
    is_made: bool = False  # whether what is kept is made of the file, and has a size of its own

    def is_kept_as(self, size: int | None, modified: int) -> bool:
        """Whether what is kept, with its size (None of a file that could not be used), is of this version."""
        return self.modified == modified and (self.is_made or size in (None, self.size))


@dataclass(frozen=True)
class NewItem:
    """An item to be added to a job: with a source, with a synthesis, or already failed with `error_code`."""

    id: str
    path: str
    source_key: str | None = None
    source_bytes: int | None = None
    source_modified: int | None = None  # nanoseconds since 1970, where it was a file
    synthesis: dict[str, Any] | None = None
    error_code: ItemErrorCode | None = None
    error: str | None = None
    described: dict[str, str] | None = None  # what a manifest says of it, by column
    truth_key: str | None = None


@dataclass(frozen=True)
class ClaimedItem:
    """What a worker needs to know of an item that it has claimed."""

    id: str
    job_id: str
    path: str
    source_key: str | None
    synthesis: dict[str, Any] | None
    attempts: int
    truth_key: str | None = None
    described: dict[str, Any] | None = None  # see `NewItem`


@dataclass(frozen=True)
class Claim:
    """Some items of one shard, held under `token` until the lease runs out."""

    token: str
    shard_id: str
    job_id: str
    priority: int  # the job's
    model: str | None  # likewise, see `Job.model`
    scale: float  # likewise
    unfamiliar: Unfamiliar  # likewise
    channel: str  # likewise
    items: tuple[ClaimedItem, ...]
    threshold: float | None = None  # likewise
    pixel_size: PixelSize | None = None  # likewise
    postprocessing: str = ""  # likewise


@dataclass(frozen=True)
class Success(Measurements[float]):
    """The result of an item whose objects are stored; the fields are columns of `ItemRow`, described there."""

    item_id: str
    width: int
    height: int
    mask_key: str
    probability_key: str
    model: str
    threshold: float
    preprocessing: str
    code_version: str
    seconds: float
    device: str | None = None
    postprocessing: str | None = None
    pixel_width_um: float | None = None
    pixel_height_um: float | None = None
    note: str | None = None
    reason: str | None = None  # a word of `shared.db.reasons`
    reason_place: str | None = None
    source_key: str | None = None  # set for synthetic items, whose source and truth the worker made
    truth_key: str | None = None


@dataclass(frozen=True)
class Failure:
    """Why an item cannot be processed."""

    item_id: str
    code: ItemErrorCode
    reason: str
    seconds: float


Outcome = Success | Failure


@dataclass(frozen=True)
class Item(Measurements[float | None]):
    """An item as it stands, for status, download and the admin; the fields are columns of `ItemRow`."""

    id: str
    job_id: str
    number: int
    path: str
    state: ItemStatus
    attempts: int
    source_key: str | None
    source_bytes: int | None
    synthesis: dict[str, Any] | None
    worker: str | None
    error_code: str | None
    error: str | None
    note: str | None
    finished_at: float | None
    seconds: float | None
    width: int | None
    height: int | None
    pixel_width_um: float | None
    pixel_height_um: float | None
    mask_key: str | None
    probability_key: str | None
    truth_key: str | None
    model: str | None
    threshold: float | None
    preprocessing: str | None
    postprocessing: str | None
    code_version: str | None
    device: str | None
    reason: str | None
    reason_place: str | None
    described: dict[str, Any] | None = None
    model_name: str | None = None  # of `model`, where that is a published one
    review: Review = NO_REVIEW

    @property
    def finding(self) -> Finding | None:
        """What the mask says; None without one."""
        if self.state is not ItemStatus.SUCCEEDED or self.foreground is None:
            return None
        return Finding.NOTHING if Mark.NOTHING_FOUND in self.marks else Finding.FOUND

    @property
    def pixel_size(self) -> PixelSize | None:
        """The size of a pixel, where it is known."""
        return pixel_size_of(self.pixel_width_um, self.pixel_height_um)

    @property
    def area_um2(self) -> float | None:
        """The area of all its objects, where the size of a pixel is known."""
        size = self.pixel_size
        return None if size is None or self.area is None else self.area * size.area

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What stands out in its result."""
        return marks_of(self, self.note) if self.state is ItemStatus.SUCCEEDED else ()
