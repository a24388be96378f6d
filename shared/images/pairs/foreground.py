"""Which samples of a folder's masks are foreground: by a rule that all bear out, or as told, never by a guess.

`data.foreground` of a training and `--foreground` of a submission tell; where they do not:
Two values in all masks together: the higher one is foreground. Soft edges, as resampling and JPEG make them: what is
over half of the range, where flat parts have the two ends of it alone. Of colours, the one that is not black. Anything
else is refused with the values that were found.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shared.errors import UsageError
from shared.images.pairs.masks import Kind, RawMask

Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Word = Literal["nonzero", "half", "alpha"]
Foreground = Word | tuple[int | Colour, ...]
_WORDS: tuple[Word, ...] = ("nonzero", "half", "alpha")

_FEW = 8  # values; more may be soft edges
_NEAR = 1 / 8  # of the range, at its ends
_MOST_FLAT_BETWEEN = 0.02  # of the flat pixels of the upper end
_MOST_BETWEEN = 0.5  # of the pixels that are not of the lower end
_MOST_VALUES = 4096  # that are told apart in one file
_SETTING = "data.foreground"  # what is named where it has to be told


@dataclass(frozen=True)
class MaskSummary:
    """Values of one mask, or of many: how many pixels have them, and how many of those lie in flat parts."""

    kind: Kind
    counts: Counter[float] = field(default_factory=Counter)
    flat: Counter[float] = field(default_factory=Counter)
    colours: Mapping[int, int] = field(default_factory=dict)  # of a palette
    files: int = 1

    @classmethod
    def of(cls, mask: RawMask) -> "MaskSummary":
        """Summarise one mask."""
        samples = _of_few_values(mask.samples)
        scalar = _brightest(samples) if mask.kind == "colour" else samples
        lowest, highest = float(scalar.min()), float(scalar.max())
        spread = _of_nine(scalar, np.maximum).astype(float) - _of_nine(scalar, np.minimum)
        flat = samples[spread <= (highest - lowest) / 16]
        return cls(mask.kind, _counted(samples), _counted(flat), mask.colours)

    def __add__(self, other: "MaskSummary") -> "MaskSummary":
        return MaskSummary(
            self.kind,
            self.counts + other.counts,
            self.flat + other.flat,
            {**self.colours, **other.colours},
            self.files + other.files,
        )


@dataclass(frozen=True)
class Rule:
    """A decision for one kind of masks; `reason` says what it is and why."""

    reason: str
    above: float | None = None  # samples over this are foreground; of colours, their brightest channel
    among: frozenset[float] | None = None
    by_alpha: bool = False

    def apply(self, mask: RawMask) -> NDArray[np.bool_]:
        """Return the foreground, H×W."""
        if self.by_alpha:
            return np.zeros(mask.samples.shape, bool) if mask.alpha is None else mask.alpha > 127
        if self.among is not None:
            return np.isin(mask.samples, list(self.among))
        samples = _brightest(mask.samples) if mask.kind == "colour" else mask.samples
        chosen: NDArray[np.bool_] = samples > self.above if self.above is not None else samples != 0
        return chosen


def several(value: Any) -> Any:
    """Return what is told of the foreground; one value stands for itself alone."""
    return (value,) if isinstance(value, int) or (isinstance(value, str) and value.startswith("#")) else value


def foreground_of(text: str) -> Foreground:
    """Return what a command line tells of the foreground: `nonzero`, `half`, `alpha`, or values as `1,3` or `#ff0000`.

    Raises:
        UsageError: it is none of these.
    """
    for word in _WORDS:
        if text == word:
            return word
    values = [value.strip() for value in text.strip("[]").split(",")]
    if not all(re.fullmatch(r"\d+|#[0-9a-fA-F]{6}", value) for value in values):
        raise UsageError(f"foreground {text!r}: give nonzero, half, alpha, or values or colours as 1,3 or #ff0000")
    return tuple(value if value.startswith("#") else int(value) for value in values)


def find_rules(summaries: Iterable[MaskSummary], asked: Foreground | None, setting: str = _SETTING) -> dict[Kind, Rule]:
    """Decide for each kind of masks in a folder; `setting` is where people can tell, and is named to them.

    Raises:
        UsageError: no rule says what is foreground, or all masks have one value; what was found is told.
    """
    together: dict[Kind, MaskSummary] = {}
    for summary in summaries:
        together[summary.kind] = together[summary.kind] + summary if summary.kind in together else summary
    return {
        kind: _asked_for(summary, asked, setting) if asked else _by_rule(summary, setting)
        for kind, summary in together.items()
    }


def _by_rule(summary: MaskSummary, setting: str) -> Rule:
    values = sorted(summary.counts)
    if len(values) == 1:
        return Rule(f"{'all' if values[0] > 0 else 'nothing'}, there is but {_name(summary, values[0])}", above=0.0)
    if len(values) == 2:
        return _of_two(summary, values[0], values[1], setting)
    if len(values) > _FEW and summary.kind != "index" and (middle := _middle_of_soft(summary)) is not None:
        return Rule(f"soft edges: over {middle:g}", above=middle)
    raise UsageError(
        f"the masks have {_listed(summary, values)}, which may be objects, classes or borders: set {setting} to "
        "nonzero, half, or the values that are meant, as [1, 3]"
    )


def _of_two(summary: MaskSummary, low: float, high: float, setting: str) -> Rule:
    is_told = {
        "value": True,
        "lossy": True,
        "index": summary.colours.get(int(high)) != 0,  # black in front of another colour is turned round
        "colour": low == 0,
    }
    if not is_told[summary.kind]:
        raise UsageError(
            f"the masks have {_listed(summary, [low, high])}, and which of them is foreground nothing says: "
            f"set {setting} to it, as [{_written(summary, low)}]"
        )
    return Rule(f"{_name(summary, high)} of {_name(summary, low)} and {_name(summary, high)}", among=frozenset({high}))


def _middle_of_soft(summary: MaskSummary) -> float | None:
    """Return the middle of the range where only edges lie between its ends."""
    if summary.kind == "colour" and not _has_one_colour(summary):
        return None
    counts, flat = (_as_scalars(summary.kind, each) for each in (summary.counts, summary.flat))
    low, high = min(counts), max(counts)
    lower, upper = low + _NEAR * (high - low), high - _NEAR * (high - low)

    def number(of: Counter[float], lower: float, upper: float) -> int:
        return sum(count for value, count in of.items() if lower < value <= upper)

    flat_between, flat_upper = number(flat, lower, upper), number(flat, upper, high)
    between, upper_all = number(counts, lower, upper), number(counts, upper, high)
    if flat_between > _MOST_FLAT_BETWEEN * flat_upper or between > _MOST_BETWEEN * (between + upper_all):
        return None
    return (low + high) / 2


def _has_one_colour(summary: MaskSummary) -> bool:
    """Whether the flat parts are of one colour beside black, as far as a JPEG keeps it."""
    coarse: Counter[tuple[bool, bool, bool]] = Counter()
    for packed, count in summary.flat.items():
        red, green, blue = (int(packed) >> shift & 255 for shift in (16, 8, 0))
        coarse[red > 127, green > 127, blue > 127] += count
    dark = coarse.pop((False, False, False), 0)
    most = max(coarse.values(), default=0)
    return dark > 0 and most >= (1 - _MOST_FLAT_BETWEEN) * sum(coarse.values()) > 0


def _asked_for(summary: MaskSummary, asked: Foreground, setting: str) -> Rule:
    if asked == "alpha":
        return Rule("what is opaque", by_alpha=True)
    if asked == "nonzero":
        middle = _middle_of_soft(summary) if summary.kind == "lossy" else None
        return Rule("all but 0" if middle is None else f"over {middle:g}, less is of JPEG's making", above=middle)
    if asked == "half":
        scalars = _as_scalars(summary.kind, summary.counts)
        middle = (min(scalars) + max(scalars)) / 2
        return Rule(f"over {middle:g}, half of the range", above=middle)
    among = frozenset(float(int(each[1:], 16)) if isinstance(each, str) else float(each) for each in asked)
    if summary.kind == "colour" and not any(isinstance(each, str) for each in asked):
        raise UsageError(f"the masks are in colours: name those of the foreground in {setting}, as ['#ff0000']")
    if summary.kind == "index" and any(isinstance(each, str) for each in asked):
        colours = {int(each[1:], 16) for each in asked if isinstance(each, str)}
        among = frozenset(float(index) for index, colour in summary.colours.items() if colour in colours)
    if not among & summary.counts.keys():
        values = _listed(summary, sorted(summary.counts))
        raise UsageError(f"no mask has a value of {setting}: they have {values}")
    return Rule(f"{', '.join(map(str, asked))}, as {setting} says", among=among)


def _as_scalars(kind: Kind, counts: Counter[float]) -> Counter[float]:
    if kind != "colour":
        return counts
    found: Counter[float] = Counter()
    for packed, count in counts.items():
        found[float(max(int(packed) >> shift & 255 for shift in (16, 8, 0)))] += count
    return found


def _brightest(packed: NDArray[Any]) -> NDArray[Any]:
    brightest: NDArray[Any] = np.maximum.reduce([packed >> shift & 255 for shift in (16, 8, 0)])
    return brightest


def _of_nine(samples: NDArray[Any], extreme: np.ufunc) -> NDArray[Any]:
    """Return of each pixel the largest or smallest of the 3×3 around it, those of the border twice."""
    rows = np.pad(samples, ((1, 1), (0, 0)), mode="edge")
    of_three = extreme.reduce([rows[:-2], rows[1:-1], rows[2:]])
    columns = np.pad(of_three, ((0, 0), (1, 1)), mode="edge")
    found: NDArray[Any] = extreme.reduce([columns[:, :-2], columns[:, 1:-1], columns[:, 2:]])
    return found


def _of_few_values(samples: NDArray[Any]) -> NDArray[Any]:
    """Round floats of very many values, which no rule tells apart, to a number that can be counted."""
    if samples.dtype.kind != "f" or len(np.unique(samples[::7, ::7])) <= _MOST_VALUES // 64:
        return samples
    low, high = float(samples.min()), float(samples.max())
    step = (high - low) / _MOST_VALUES or 1.0
    return low + np.round((samples - low) / step) * step


def _counted(samples: NDArray[Any]) -> Counter[float]:
    if samples.dtype == np.uint8:
        counts = np.bincount(samples.ravel(), minlength=256)
        return Counter({float(value): int(counts[value]) for value in np.flatnonzero(counts)})
    values, numbers = np.unique(samples, return_counts=True)
    return Counter(dict(zip(map(float, values), map(int, numbers), strict=True)))


def _name(summary: MaskSummary, value: float) -> str:
    if summary.kind == "colour":
        return f"#{int(value):06x}"
    if summary.kind == "index" and int(value) in summary.colours:
        return f"{value:g} (#{summary.colours[int(value)]:06x})"
    return f"{value:g}"


def _written(summary: MaskSummary, value: float) -> str:
    return f"'#{int(value):06x}'" if summary.kind == "colour" else f"{value:g}"


def _listed(summary: MaskSummary, values: list[float]) -> str:
    what = {"index": "colours of a palette", "colour": "colours"}.get(summary.kind, "values")
    shown = [_name(summary, value) for value in values[:6]]
    if len(values) > 6:
        shown += ["…", _name(summary, values[-1])]
    return f"{len(values):,} {what} ({', '.join(shown)})"
