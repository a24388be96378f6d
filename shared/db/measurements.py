"""What is measured of each image, declared once; docs/extending.md tells how to add to it.

From a field of `Measurements` follow the column of `ItemRow`, the column of results.csv, the API's field with its
description and range, the line on the item's page and in the gallery, what the audit asks for and the repair empties.
The values are computed in `worker.measuring`.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Generic, TypeVar, get_args, get_type_hints

Value = TypeVar("Value", bound=float | None)
"""What every result has: `float` of a result, `float | None` of an item, which may have none (yet)."""

_SHOWN_DIGITS = 3  # after the point, of those that people are shown


@dataclass(frozen=True)
class Measurement:
    """How a measurement is called, explained, written and checked."""

    label: str
    explanation: str  # a phrase that goes on after the label; its capital and full stop are added where it stands alone
    digits: int  # after the point in results.csv; pages show fewer
    unit: str = ""  # such as `px`
    minimum: float | None = None
    maximum: float | None = None
    as_percentage: bool = False  # on pages, of a share of one; files and the API have the share itself
    fitted: bool = False  # for a model's weights, so that results of a model without fitted scores have none
    of_objects: bool = False  # of the mask's objects, which results from before they were counted do not have
    is_indexed: bool = False  # so that a job of a million images is sorted and filtered by it at once; see INDEXED
    gallery: str | None = None  # its short caption under a thumbnail; None: it does not stand there

    @property
    def description(self) -> str:
        """Return the explanation as a sentence, with the unit."""
        unit = f", in {self.unit}" if self.unit else ""
        return f"{self.explanation[0].upper()}{self.explanation[1:]}{unit}."

    def shown(self, value: float) -> str:
        """Return a value as people read it, without the unit; a share as `12.3 %`."""
        return f"{value * 100:.1f} %" if self.as_percentage else f"{value:,.{min(self.digits, _SHOWN_DIGITS)}f}"

    def holds(self, value: float) -> bool:
        """Whether a value is one that this can have; NaN never is."""
        above = -float("inf") if self.minimum is None else self.minimum
        return above <= value <= (float("inf") if self.maximum is None else self.maximum)


@dataclass(frozen=True, kw_only=True)
class Measurements(Generic[Value]):
    """The measurements of one image. With a default: only where there is a truth, or where scores were fitted."""

    foreground: Annotated[
        Value,
        Measurement(
            "Foreground",
            "share of the mask's pixels that are set",
            digits=6,
            minimum=0,
            maximum=1,
            as_percentage=True,
            is_indexed=True,
        ),
    ]
    confidence: Annotated[
        Value,
        Measurement(
            "Confidence",
            "mean of max(p, 1 − p) over the image",
            digits=4,
            minimum=0.5,
            maximum=1,
            is_indexed=True,
            gallery="conf.",
        ),
    ]
    trust: Annotated[
        Value,
        Measurement(
            "Trust",
            "Dice that the map expects of its own mask",
            digits=4,
            minimum=0,
            maximum=1,
            is_indexed=True,
        ),
    ]
    quality: Annotated[
        float | None,
        Measurement(
            "Quality",
            "Dice to be expected of this mask, if the picture is familiar",
            digits=4,
            minimum=0,
            maximum=1,
            fitted=True,
            is_indexed=True,
            gallery="quality",
        ),
    ] = None
    quality_low: Annotated[
        float | None,
        Measurement(
            "Quality, at least",
            "Dice that nine of ten such masks have, if the picture is familiar",
            digits=4,
            minimum=0,
            maximum=1,
            fitted=True,
            is_indexed=True,
        ),
    ] = None
    familiarity: Annotated[
        float | None,
        Measurement(
            "Familiarity",
            "share of the pictures that the model knows that look as strange; under 0.02 it is unfamiliar",
            digits=6,
            minimum=0,
            maximum=1,
            fitted=True,
            is_indexed=True,
        ),
    ] = None
    dice: Annotated[
        float | None,
        Measurement(
            "Dice",
            "mask against truth, 2 |A ∩ B| / (|A| + |B|)",
            digits=4,
            minimum=0,
            maximum=1,
            is_indexed=True,
            gallery="Dice",
        ),
    ] = None
    iou: Annotated[
        float | None,
        Measurement("IoU", "mask against truth, |A ∩ B| / |A ∪ B|", digits=4, minimum=0, maximum=1, is_indexed=True),
    ] = None
    precision: Annotated[
        float | None,
        Measurement(
            "Precision", "share of the mask that is in the truth", digits=4, minimum=0, maximum=1, is_indexed=True
        ),
    ] = None
    recall: Annotated[
        float | None,
        Measurement(
            "Recall", "share of the truth that is in the mask", digits=4, minimum=0, maximum=1, is_indexed=True
        ),
    ] = None

    objects: Annotated[
        float | None,
        Measurement(
            "Objects",
            "parts of the mask that touch by no side and no corner",
            digits=0,
            minimum=0,
            of_objects=True,
            is_indexed=True,
        ),
    ] = None
    area: Annotated[
        float | None,
        Measurement(
            "Area", "of all objects together", digits=0, unit="px²", minimum=0, of_objects=True, is_indexed=True
        ),
    ] = None


MEASUREMENTS: Mapping[str, Measurement] = {
    name: get_args(hint)[1] for name, hint in get_type_hints(Measurements, include_extras=True).items()
}
"""The declarations by the name of their field, in the order in which files and the API have them."""

INDEXED = tuple(name for name, measurement in MEASUREMENTS.items() if measurement.is_indexed)
"""The names of those with an index of their own, which takes some 65 MB of a million results."""

REQUIRED = frozenset(field.name for field in fields(Measurements) if field.default is MISSING)
"""The names of those without which a result is none."""

NEED_SCORES = frozenset(name for name, measurement in MEASUREMENTS.items() if measurement.fitted)
"""The names of those that only the results of a model with fitted scores have."""

OF_OBJECTS = frozenset(name for name, measurement in MEASUREMENTS.items() if measurement.of_objects)
"""The names of those that are counted in the mask."""

NEED_TRUTH = MEASUREMENTS.keys() - REQUIRED - NEED_SCORES - OF_OBJECTS
"""The names of those that only an image with a truth has."""
