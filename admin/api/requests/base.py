"""What all that the API takes has in common: names that it knows alone, and values of many requests."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Protocol, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from shared.jobs.records import Priority

MAX_PAGE_SIZE = 500
# Neither control characters (PostgreSQL takes no NUL), line separators nor what turns text round; not blank.
UNUSABLE = r"\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
JobName = Annotated[str, Field(min_length=1, max_length=200, pattern=rf"^[^{UNUSABLE}]*[^\s{UNUSABLE}][^{UNUSABLE}]*$")]
Text = Annotated[str, Field(min_length=1, max_length=200, pattern=rf"^[^{UNUSABLE}]*$")]


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, AfterValidator(_in_utc)]


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("this is no number")
    return value


# Pydantic would take `true` and "2" for numbers.
IsNumber = BeforeValidator(_number)


def one_of(names: Iterable[str]) -> tuple[AfterValidator, WithJsonSchema]:
    """Return what lets these names pass alone, and says so in the document."""
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


class Request(BaseModel):
    """What the API takes: a name that it does not know is a mistake, not something to pass over."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Row(Protocol):
    @property
    def id(self) -> str: ...


_AnyRow = TypeVar("_AnyRow", bound=_Row)


class Page(Request):
    """Which page of a list."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE_SIZE)
    before: UUID | None = Field(default=None, description="`next` of the page before.")

    @property
    def before_id(self) -> str | None:
        """Return the id before which the page begins; None: it is the first."""
        return None if self.before is None else str(self.before)

    def cut(self, found: Sequence[_AnyRow]) -> tuple[Sequence[_AnyRow], str | None]:
        """Return the page of rows that were asked for with one more than it holds, and `next`; null on the last."""
        page = found[: self.limit]
        return page, page[-1].id if len(found) > self.limit else None
