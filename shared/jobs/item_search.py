"""Pages of a job's items in any order and under any filter, cut by key: page 1,000 costs as much as page 1.

No index knows the parts of a name: a search for text looks through SCANNED rows at most in one go, and gives the cursor
to go on from. So a page may hold fewer items than asked for, or none, while there are more.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, tuple_

from shared.db.database import Database
from shared.db.tables.jobs import ItemRow
from shared.errors import UsageError
from shared.jobs.item_filter import ItemFilter, ItemSort
from shared.jobs.reading import item_of, item_rows
from shared.jobs.records import Item

SCANNED = 5_000
"""Rows that one search for text looks through."""
COUNTED = 1_000
"""Items that are counted one by one; of more it is said that they are more."""

SAMPLED = 4_000
"""Items that a distribution is drawn from."""


@dataclass(frozen=True)
class Place:
    """A place between items: behind the one with this value and number."""

    value: Any
    number: int

    def word(self, sort: ItemSort) -> str:
        """Return it as text for an address; by number it is the number."""
        if sort.column == "number":
            return str(self.number)
        packed = json.dumps([self.value, self.number], separators=(",", ":"), ensure_ascii=False)
        return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")

    @classmethod
    def of_word(cls, word: str, sort: ItemSort) -> "Place | None":
        """Return the place that a word stands for in this order; "" and -1 stand for the beginning.

        Raises:
            UsageError: it stands for none.
        """
        if word in ("", "-1"):
            return None
        try:
            value, number = (int(word),) * 2 if sort.column == "number" else _unpacked(word)
            return cls(_checked(value, sort), _checked_number(number))
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise UsageError(
                "this is no place in this order: leave `after` out, or give the `next` of a page"
            ) from error


def _unpacked(word: str) -> tuple[Any, Any]:
    value, number = json.loads(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)))
    return value, number


def _checked_number(number: Any) -> int:
    if type(number) is not int or not 0 <= number < 2**31:
        raise ValueError(number)
    return number


def _checked(value: Any, sort: ItemSort) -> Any:
    """Return a value that the database can compare with the column's."""
    if value is None or sort.column == "number":
        return value
    if sort.is_text != isinstance(value, str) or isinstance(value, bool):
        raise ValueError(value)
    if isinstance(value, str):
        value.encode()  # which half a surrogate cannot be
        if "\0" in value:
            raise ValueError(value)
        return value
    return float(value)


@dataclass(frozen=True)
class Found:
    """A page of items. `next` is where the following one begins; None: there is none."""

    items: list[Item]
    next: Place | None


@dataclass(frozen=True)
class Count:
    """How many items there are; `more`: or more than that."""

    number: int
    more: bool = False


@dataclass(frozen=True)
class ItemSearch:
    """Items of one job that a filter lets through, in an order."""

    database: Database
    job_id: str
    filter: ItemFilter = field(default_factory=ItemFilter)
    sort: ItemSort = field(default_factory=ItemSort)

    def page(self, *, limit: int, after: Place | None = None) -> Found:
        """Return the items behind a place; None: from the first."""
        with self.database.read() as connection:
            return _walked(connection, self, limit, after, back=False)

    def before(self, place: Place, *, limit: int) -> Found:
        """Return the items before a place, the nearest first."""
        with self.database.read() as connection:
            return _walked(connection, self, limit, place, back=True)

    def place_of(self, item: Item) -> Place:
        """Return the place of an item in this order."""
        return Place(getattr(item, self.sort.column), item.number)

    def neighbours(self, item: Item, *, limit: int = 1) -> tuple[list[Item], list[Item]]:
        """Return the items before and after one, the nearest first; it need not be let through by the filter itself."""
        place = self.place_of(item)
        return self.before(place, limit=limit).items, self.page(limit=limit, after=place).items

    def sample(self, names: Sequence[str], total: int) -> list[tuple[float | None, ...]]:
        """Return values of these columns of SAMPLED items at most, spread evenly over a job of `total`, unfiltered."""
        every = max(1, -(-total // SAMPLED))
        numbers = range(0, total, every)
        columns = [ItemRow.__table__.c[name] for name in names]
        query = select(*columns).where(ItemRow.job_id == self.job_id)
        if every > 1:
            query = query.where(ItemRow.number.in_(numbers))
        with self.database.read() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def count(self) -> Count | None:
        """Count the items up to COUNTED; None where a search for text would have to look through too many rows."""
        if self.filter.text:
            found = self.page(limit=COUNTED + 1)
            if found.next is not None and len(found.items) <= COUNTED:
                return None
            return _count(len(found.items))
        rows = select(ItemRow.number).where(*_wanted(self)).limit(COUNTED + 1).subquery()
        with self.database.read() as connection:
            return _count(int(connection.execute(select(func.count()).select_from(rows)).scalar_one()))


def _count(number: int) -> Count:
    return Count(min(number, COUNTED), more=number > COUNTED)


def _wanted(search: ItemSearch) -> list[ColumnElement[bool]]:
    return [ItemRow.job_id == search.job_id, *search.filter.conditions()]


def _walked(connection: Connection, search: ItemSearch, limit: int, start: Place | None, *, back: bool) -> Found:
    """Take items with a value, then those without; backwards the other way round."""
    items: list[Item] = []
    for has_values in (False, True) if back else (True, False):
        if start is not None and (start.value is not None) != has_values:
            continue
        more, end = _taken(connection, search, limit + 1 - len(items), start, has_values=has_values, back=back)
        items += more
        start = None
        if len(items) > limit:
            return Found(items[:limit], search.place_of(items[limit - 1]))
        if end is not None:
            return Found(items, end)
    return Found(items, None)


def _taken(
    connection: Connection, search: ItemSearch, limit: int, start: Place | None, *, has_values: bool, back: bool
) -> tuple[list[Item], Place | None]:
    """Take items of one of the two groups, and the place where a search for text gave up, if it did."""
    order, falls = search.sort.order, search.sort.descending != back
    if has_values:
        return _scanned(connection, search, limit, start, list(order.present), order.keys, falls=falls)
    parts = [_scanned(connection, search, limit, start, [arm], order.number, falls=falls) for arm in order.absent]
    items = sorted((item for found, _ in parts for item in found), key=lambda item: item.number, reverse=falls)
    ends = sorted((end for _, end in parts if end is not None), key=lambda end: end.number, reverse=falls)
    if not ends:
        return items[:limit], None
    # Behind the nearest place where one of them gave up, the others' items may not be the next ones.
    passed = [item for item in items if (item.number >= ends[0].number if falls else item.number <= ends[0].number)]
    return passed[:limit], ends[0]


def _scanned(
    connection: Connection,
    search: ItemSearch,
    limit: int,
    start: Place | None,
    conditions: list[ColumnElement[bool]],
    keys: tuple[ColumnElement[Any], ...],
    *,
    falls: bool,
) -> tuple[list[Item], Place | None]:
    """Take rows by these keys from an index, and look for the text among them."""
    held = [*_wanted(search), *conditions, *([] if start is None else [_behind(start, keys, falls=falls)])]

    def ordered(query: Select[Any]) -> Select[Any]:
        return query.where(*held).order_by(*(key.desc() if falls else key for key in keys))

    if not search.filter.text:
        return [item_of(row) for row in connection.execute(ordered(item_rows()).limit(limit))], None
    # Only what is compared is read of each row, and the rest of those that have it.
    columns = {column.key: column for column in (ItemRow.__table__.c.id, ItemRow.__table__.c.path, *keys)}
    seen = ordered(select(*columns.values())).limit(SCANNED).subquery()
    holds = seen.c.path.icontains(search.filter.text, autoescape=True)
    by = [seen.c[key.key or ""].desc() if falls else seen.c[key.key or ""] for key in keys]
    ids = connection.execute(select(seen.c.id).where(holds).order_by(*by).limit(limit)).scalars().all()
    found = {row.id: row for row in connection.execute(item_rows().where(ItemRow.id.in_(ids)))} if ids else {}
    items = [item_of(found[each]) for each in ids if each in found]
    if len(ids) == limit:
        return items, None
    place = select(search.sort.order.value, *search.sort.order.number)
    last = connection.execute(ordered(place).offset(SCANNED - 1).limit(1)).one_or_none()
    return items, None if last is None else Place(last[0], last[1])


def _behind(start: Place, keys: tuple[ColumnElement[Any], ...], *, falls: bool) -> ColumnElement[bool]:
    values = (start.value, start.number) if len(keys) == 2 else (start.number,)
    if len(keys) == 1 and keys[0].key != "number":
        values = (start.value,)
    left, right = tuple_(*keys), tuple_(*values)
    return left < right if falls else left > right
