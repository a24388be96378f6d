"""Words that say which items are wanted, and in which order: for pages, the API, exports and the command line alike."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from shared.db.measurements import MEASUREMENTS
from shared.db.reasons import Reason
from shared.errors import ItemErrorCode, UsageError
from shared.images.notes import NoteCode
from shared.jobs.item_filter import RANGED, SORTABLE, ItemFilter, ItemSort, Range
from shared.jobs.item_search import Place
from shared.jobs.records import Mark
from shared.jobs.state import ItemStatus

MAX_TEXT = 200  # characters that are searched for
MAX_NUMBERS = 500
"""Single images that are named at once."""
_LARGEST_NUMBER = 2**31 - 1

Word = TypeVar("Word", bound=StrEnum)
_Model = TypeVar("_Model", bound=BaseModel)
_Read = TypeVar("_Read")


def _split(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def as_a_value(read: Callable[..., _Read], *arguments: Any) -> _Read:
    """Return what `read` makes of a value, so that one which does not fit is told as pydantic tells it.

    Raises:
        ValueError: `read` took it for wrong use.
    """
    try:
        return read(*arguments)
    except UsageError as error:
        raise ValueError(str(error)) from error


_Words = Annotated[tuple[Word, ...], BeforeValidator(_split), Field(max_length=50)]


def _with_limits(model: type[_Model]) -> type[_Model]:
    """Return the model with two fields for each column that ranges can be given of."""
    labels = {"seconds": "Seconds from fetch to store"} | {name: each.label for name, each in MEASUREMENTS.items()}
    limits: dict[str, Any] = {
        f"{name}_{side}": (
            Annotated[float, Field(allow_inf_nan=False)] | None,
            Field(default=None, description=f"{labels[name]}: {words}."),
        )
        for name in RANGED
        for side, words in (("min", "at least this"), ("max", "at most this"))
    }
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, __module__=model.__module__, **limits)


@_with_limits
class FilterWords(BaseModel):
    """Which items of a job are wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: _Words[ItemStatus] = Field(default=(), description="In any of these states.")
    mark: _Words[Mark] = Field(default=(), description="Results that stand out by any of these.")
    code: _Words[ItemErrorCode] = Field(default=(), description="Failed with any of these codes.")
    note: _Words[NoteCode] = Field(default=(), description="With a note of any of these kinds.")
    reason: _Words[Reason] = Field(default=(), description="Unfamiliar for any of these reasons.")
    text: str = Field(
        default="",
        max_length=MAX_TEXT,
        pattern=r"^[^\x00]*$",
        description="That the path contains, in capitals or not. Such a search looks through a part of a large job at "
        "a time: a page may hold fewer images than asked for, or none, while `next` is given.",
    )

    number: Annotated[
        tuple[Annotated[int, Field(ge=0, le=_LARGEST_NUMBER)], ...],
        BeforeValidator(_split),
        Field(max_length=MAX_NUMBERS),
    ] = Field(default=(), description="Single images, by their `number` in the job.")

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, values: Any) -> Any:
        # A form sends the fields that nobody filled in, too.
        return {name: value for name, value in values.items() if value != ""} if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _fits(self) -> "FilterWords":
        for name, within in self.filter.ranges.items():
            if within.low is not None and within.high is not None and within.low > within.high:
                raise ValueError(f"{name}_min is not larger than {name}_max")
        return self

    @property
    def filter(self) -> ItemFilter:
        """What items have to be like."""
        ranges = {name: Range(getattr(self, f"{name}_min"), getattr(self, f"{name}_max")) for name in RANGED}
        return ItemFilter(
            states=self.state,
            codes=self.code,
            marks=self.mark,
            notes=self.note,
            reasons=self.reason,
            text=self.text,
            numbers=self.number,
            ranges={name: within for name, within in ranges.items() if within != Range()},
        )

    def words(self) -> dict[str, str]:
        """Return what is asked for as words of an address, without what is as usual."""
        asked = {name: getattr(self, name) for name in self._asked_by()}
        return {
            name: ",".join(map(str, value)) if isinstance(value, tuple) else f"{value}"
            for name, value in asked.items()
            if value not in ((), "", None) and (name, value) != ("sort", "number")
        }

    @classmethod
    def of(cls, wanted: ItemFilter) -> Self:
        """Return the words for a filter: the inverse of `filter`."""
        limits = {
            f"{name}_{side}": limit
            for name, within in wanted.ranges.items()
            for side, limit in (("min", within.low), ("max", within.high))
        }
        return cls(
            state=wanted.states,
            mark=wanted.marks,
            code=wanted.codes,
            note=wanted.notes,
            reason=wanted.reasons,
            text=wanted.text,
            number=wanted.numbers,
            **limits,
        )

    @classmethod
    def _asked_by(cls) -> Iterable[str]:
        return FilterWords.model_fields


class ItemWords(FilterWords):
    """Which items of a job are wanted, and in which order."""

    sort: str = Field(
        default="number",
        json_schema_extra={"enum": [word for name in SORTABLE for word in (name, f"-{name}")]},
        description="The column to sort by, with - before it for the highest first. What has no value comes last.",
    )

    @field_validator("sort")
    @classmethod
    def _is_an_order(cls, word: str) -> str:
        as_a_value(ItemSort.of_word, word)
        return word

    @property
    def order(self) -> ItemSort:
        """How they are sorted."""
        return ItemSort.of_word(self.sort)

    def place(self, after: str) -> Place | None:
        """Return where a page begins.

        Raises:
            UsageError: `after` is no place in this order.
        """
        return Place.of_word(after, self.order)

    @classmethod
    def _asked_by(cls) -> Iterable[str]:
        return ItemWords.model_fields


def item_words(values: Mapping[str, str]) -> ItemWords:
    """Return what the words of an address ask for; names that are not among them mean something else.

    Raises:
        UsageError: one does not fit; the line says which, and what would.
    """
    return _read(ItemWords, {name: value for name, value in values.items() if name in ItemWords.model_fields})


def wanted_words(values: Mapping[str, str], *, strict: bool = False) -> FilterWords:
    """Return which items the words ask for; names that are not among them mean something else, or are wrong (`strict`).

    Raises:
        UsageError: one does not fit; the line says which, and what would.
    """
    known = FilterWords.model_fields
    if strict and (unknown := next((name for name in values if name not in known), None)):
        raise UsageError(f"nothing of an image is called {unknown}: take one of {', '.join(known)}")
    return _read(FilterWords, {name: value for name, value in values.items() if name in known})


def _read(model: type[_Model], values: Mapping[str, str]) -> _Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_input=False)
        name = str(first["loc"][0]) if first["loc"] else ""
        reason = first["msg"].removeprefix("Value error, ")
        reason = f"{reason[0].lower()}{reason[1:]}"
        raise UsageError(f"the value of {name} does not fit: {reason}" if name else reason) from error
