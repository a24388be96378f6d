"""The table of an item's objects: sorted by any column, a page at a time, and measured only once somebody opens it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from admin.pages.items import item_or_404
from admin.web.context import services
from admin.web.measured_objects import measured_objects
from shared.errors import UsageError
from shared.objects.table import OBJECT_COLUMNS, Value, written

OBJECTS_A_PAGE = 50
_BY_NUMBER = "object"

blueprint = Blueprint("object_table", __name__)


@dataclass(frozen=True)
class Order:
    """By which column the objects are sorted, and which way; what has no value comes last either way."""

    column: str = _BY_NUMBER
    descending: bool = False

    @classmethod
    def of_word(cls, word: str) -> "Order":
        """Return the order that an address asks for: `area_px`, or `-area_px` for the largest first.

        Raises:
            UsageError: there is no such column.
        """
        column = word.removeprefix("-")
        if column not in OBJECT_COLUMNS:
            raise UsageError(f"there is no column {column!r} of objects to sort by")
        return cls(column, word.startswith("-"))

    @property
    def word(self) -> str:
        """Return what `of_word` reads."""
        return f"-{self.column}" if self.descending else self.column

    def after_a_click(self, column: str) -> str:
        """Return the order that a click on the head of a column asks for: the largest first, numbers from 1."""
        if column == self.column:
            return Order(column, not self.descending).word
        return Order(column, column != _BY_NUMBER).word

    def aria(self, column: str) -> str | None:
        """Return how the table is sorted by a column, as browsers tell it."""
        if column != self.column:
            return None
        return "descending" if self.descending else "ascending"

    def sorted(self, rows: Sequence[Mapping[str, Value]]) -> list[Mapping[str, Value]]:
        """Return the rows in this order, those of equal values by their numbers."""
        known: list[tuple[float, Mapping[str, Value]]] = []
        unknown: list[Mapping[str, Value]] = []
        for row in rows:
            value = row[self.column]
            if value is None:
                unknown.append(row)
            else:
                known.append((value, row))
        known.sort(key=lambda pair: pair[0], reverse=self.descending)  # which keeps equal ones in their order
        return [row for _, row in known] + unknown


@blueprint.get("/items/<uuid:item_id>/objects")
def table(item_id: UUID) -> ResponseReturnValue:
    """A page of the table; `sort` has a column, with `-` before it for the largest first, `page` counts from 1."""
    item = item_or_404(item_id)
    order = Order.of_word(request.args.get("sort", _BY_NUMBER))
    rows = order.sorted(measured_objects(item))
    pages = max(-(-len(rows) // OBJECTS_A_PAGE), 1)
    page = min(max(request.args.get("page", 1, type=int), 1), pages)
    first = (page - 1) * OBJECTS_A_PAGE
    has_units = item.pixel_size is not None
    columns = {name: each for name, each in OBJECT_COLUMNS.items() if has_units or not each.needs_pixel_size}
    return render_template(
        "objects.html",
        item=item,
        job=services().repository.job(item.job_id),
        columns=columns,
        rows=[written(row) for row in rows[first : first + OBJECTS_A_PAGE]],
        total=len(rows),
        order=order,
        page=page,
        pages=pages,
    )
