"""How a finished job turned out: Dice where there is a truth, by severity of synthetic images; failures by code."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.db.reasons import label_of
from shared.flows.items import all_items
from shared.images.notes import told as notes_told
from shared.jobs.records import Item, Job, Mark, Marks
from shared.jobs.repository import Repository
from shared.jobs.state import ItemStatus, JobKind

# Lower ends of the bands of severity; the last one includes 1.
BANDS = (0.0, 0.25, 0.5, 0.75)
_MAX_EXAMPLES = 10


@dataclass
class Scores:
    """Dice and IoU of some items that have a truth."""

    count: int = 0
    dice_sum: float = 0.0
    iou_sum: float = 0.0
    lowest_dice: float = 1.0

    def add(self, dice: float, iou: float) -> None:
        """Count one item."""
        self.count += 1
        self.dice_sum += dice
        self.iou_sum += iou
        self.lowest_dice = min(self.lowest_dice, dice)

    @property
    def dice(self) -> float:
        """Mean Dice of one item or more."""
        return self.dice_sum / self.count

    @property
    def iou(self) -> float:
        """Mean IoU of one item or more."""
        return self.iou_sum / self.count


@dataclass
class Failures:
    """The items that failed with one code, the first few by path and reason."""

    count: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)

    def add(self, item: Item) -> None:
        """Count one item."""
        self.count += 1
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append((item.path, item.error or ""))


@dataclass
class Summary:
    """What `summarise` found; `bands` and `failures` hold only what there is."""

    scores: Scores = field(default_factory=Scores)
    bands: dict[float, Scores] = field(default_factory=lambda: defaultdict(Scores))
    failures: dict[str, Failures] = field(default_factory=lambda: defaultdict(Failures))
    marks: Marks = field(default_factory=Marks)
    unfamiliar: list[Item] = field(default_factory=list)  # the first few
    notes: Mapping[str, int] = field(default_factory=dict)  # by kind

    def lines(self, succeeded: int) -> Iterator[str]:
        """Yield what is to be said of results that stand out, of so many."""
        if self.marks.nothing_found:
            yield f"{self.marks.nothing_found:,} of {succeeded:,}: nothing found"
        if self.marks.unfamiliar:
            reasons = sorted(self.marks.reasons.items(), key=lambda each: (-each[1], each[0]))
            told = ", ".join(f"{count:,} {label_of(code)}" for code, count in reasons)
            look = "looks" if self.marks.unfamiliar == 1 else "look"
            yield f"{self.marks.unfamiliar:,} of {succeeded:,} {look} unlike anything the model knows: {told}"
        if self.marks.noted:
            have = "image has" if self.marks.noted == 1 else "images have"
            yield f"{self.marks.noted:,} {have} a note: {notes_told(self.notes)}; see note in results.csv"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        summary: dict[str, Any] = {
            "failures": {
                code: {
                    "count": failures.count,
                    "examples": [{"path": path, "error": error} for path, error in failures.examples],
                }
                for code, failures in sorted(self.failures.items())
            },
            "nothing_found": self.marks.nothing_found,
            "notes": {"count": self.marks.noted, "kinds": dict(sorted(self.notes.items()))},
            "unfamiliar": {"count": self.marks.unfamiliar, "reasons": dict(sorted(self.marks.reasons.items()))},
        }
        if self.scores.count:
            summary |= _scores_json(self.scores)
        if self.bands:
            summary["bands"] = [
                {"severity_from": band, "severity_to": band_end(band)} | _scores_json(scores)
                for band, scores in sorted(self.bands.items())
            ]
        return summary


def summarise(repository: Repository, job: Job) -> Summary:
    """Go through the items of a job, a page at a time."""
    summary = Summary()
    scored = [ItemStatus.SUCCEEDED] if job.kind is JobKind.SYNTHETIC else []
    for item in all_items(repository, job.id, states=[*scored, ItemStatus.FAILED]):
        if item.state is ItemStatus.FAILED:
            summary.failures[item.error_code or "unknown"].add(item)
        elif item.synthesis and item.dice is not None and item.iou is not None:
            severity = item.synthesis["severity"]
            summary.scores.add(item.dice, item.iou)
            summary.bands[max(band for band in BANDS if band <= severity)].add(item.dice, item.iou)
    if job.kind is JobKind.IMAGES and (sums := repository.score_sums(job.id)) is not None:
        summary.scores = Scores(*sums)
    summary.marks = repository.marks(job.id)
    summary.notes = repository.notes(job.id) if summary.marks.noted else {}
    summary.unfamiliar = repository.items(job.id, limit=_MAX_EXAMPLES, mark=Mark.UNFAMILIAR)
    return summary


def band_end(band: float) -> float:
    """Return where the band ends that begins here."""
    return min((other for other in BANDS if other > band), default=1.0)


def band_title(band: float) -> str:
    """Return the band that begins here for people: it holds its lower end, and its upper one only where that is 1."""
    end = band_end(band)
    return f"{band:.2f} to {end:.2f}" if end >= 1 else f"{band:.2f} to < {end:.2f}"


def _scores_json(scores: Scores) -> dict[str, Any]:
    return {
        "scored": scores.count,
        "dice": round(scores.dice, 4),
        "iou": round(scores.iou, 4),
        "lowest_dice": round(scores.lowest_dice, 4),
    }
