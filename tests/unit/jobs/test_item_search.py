"""Pages of items in any order and under any filter, against the same done in Python; on SQLite and PostgreSQL."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import event, update

from shared.db.database import Database
from shared.db.measurements import INDEXED, MEASUREMENTS
from shared.db.reasons import Reason
from shared.db.tables.jobs import ItemRow
from shared.errors import ItemErrorCode, UsageError
from shared.images.notes import NoteCode
from shared.jobs import item_search
from shared.jobs.item_filter import SORTABLE, ItemFilter, ItemSort, Range
from shared.jobs.item_search import Count, ItemSearch, Place
from shared.jobs.records import Item, Mark
from shared.jobs.repository import Repository
from shared.jobs.state import ItemStatus

ITEMS = 60
_DRAWN = random.Random(7)


def _values(number: int) -> dict[str, Any]:
    """What a row may have come to: every state, equal values, values that are missing."""
    state = list(ItemStatus)[number % 5] if number % 2 else ItemStatus.SUCCEEDED
    name = _DRAWN.choice(["plate", "Plate", "well", "100%_"])
    values: dict[str, Any] = {"state": state, "path": f"{name}/{number:03}.png"}
    if state is ItemStatus.FAILED:
        return values | {"error_code": _DRAWN.choice(["truncated", "too_small"]), "error": "why", "seconds": 0.5}
    if state is not ItemStatus.SUCCEEDED:
        return values
    measured: dict[str, float | None] = {each: _DRAWN.choice([0.0, 0.25, 1 / 3, 0.9]) for each in MEASUREMENTS}
    if number % 3 == 0:
        measured |= dict.fromkeys(("dice", "iou", "precision", "recall", "quality", "familiarity"))
    if number % 4 == 0:
        values |= {"note": _DRAWN.choice(["pages: first of 3", "colour: red; pages: first of 2", "colour: red"])}
    if measured["familiarity"] == 0.0:
        values |= {"reason": _DRAWN.choice(["writing", "constant"])}
    return values | measured | {"seconds": _DRAWN.random()}


@pytest.fixture
def job(database: Database, make_job: Callable[..., tuple[str, list[str]]]) -> str:
    job_id, _ = make_job(ITEMS)
    make_job(5)  # another one, which is never found
    with database.write() as connection:
        for number in range(ITEMS):
            of_item = (ItemRow.job_id == job_id) & (ItemRow.number == number)
            connection.execute(update(ItemRow).where(of_item).values(**_values(number)))
    return job_id


def _wanted(item: Item, asked: ItemFilter) -> bool:
    done = item.state is ItemStatus.SUCCEEDED
    codes = {part.split(": ")[0] for part in (item.note or "").split("; ")}
    return (
        (not asked.states or item.state in asked.states)
        and (not asked.numbers or item.number in asked.numbers)
        and (not asked.codes or item.error_code in asked.codes)
        and (not asked.marks or bool({*asked.marks} & {*item.marks}))
        and (not asked.notes or bool({*asked.notes} & codes))
        and (not asked.reasons or (done and item.reason in asked.reasons))
        and asked.text.lower() in item.path.lower()
        and all(_within(getattr(item, name), within) for name, within in asked.ranges.items())
    )


def _within(value: float | None, within: Range) -> bool:
    low, high = (-1.0 if within.low is None else within.low), (2.0 if within.high is None else within.high)
    return value is not None and low <= value <= high


def _expected(items: list[Item], search: ItemSearch) -> list[Item]:
    """The same order, in Python: values, then numbers, both falling or both rising; those without a value last."""
    column, falls = search.sort.column, search.sort.descending
    kept = [item for item in items if _wanted(item, search.filter)]
    having = [item for item in kept if getattr(item, column) is not None]
    lacking = [item for item in kept if getattr(item, column) is None]
    having.sort(key=lambda item: (getattr(item, column), item.number), reverse=falls)
    return having + sorted(lacking, key=lambda item: item.number, reverse=falls)


def _walked(search: ItemSearch, limit: int) -> list[Item]:
    seen: list[Item] = []
    after = None
    while True:
        page = search.page(limit=limit, after=after)
        seen += page.items
        if page.next is None:
            return seen
        after = Place.of_word(page.next.word(search.sort), search.sort)


FILTERS = [
    ItemFilter(),
    ItemFilter(states=(ItemStatus.FAILED, ItemStatus.CANCELLED)),
    ItemFilter(codes=(ItemErrorCode.TRUNCATED,)),
    ItemFilter(marks=(Mark.NOTHING_FOUND, Mark.UNFAMILIAR)),
    ItemFilter(notes=(NoteCode.PAGES,)),
    ItemFilter(reasons=(Reason.WRITING,)),
    ItemFilter(text="PLATE"),
    ItemFilter(numbers=(3, 17, 40, 10_000)),
    ItemFilter(numbers=(3, 5, 7), states=(ItemStatus.SUCCEEDED,)),
    ItemFilter(text="%_"),
    ItemFilter(ranges={"dice": Range(0.2, 0.5), "foreground": Range(high=0.3)}),
    ItemFilter(states=(ItemStatus.SUCCEEDED,), text="well", ranges={"seconds": Range(low=0.2)}),
]


def test_each_filter_in_each_order_gives_its_items_once(
    database: Database, repository: Repository, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = repository.items(job, limit=ITEMS)
    monkeypatch.setattr(item_search, "SCANNED", 9)  # a search for text gives up early, and goes on
    for number, asked in enumerate(FILTERS):
        # All orders of all items, and some of each filter.
        for column in SORTABLE if not asked else SORTABLE[number % 4 :: 4]:
            sort = ItemSort(column, descending=(number + len(column)) % 2 == 0)
            search = ItemSearch(database, job, asked, sort)
            expected = _expected(items, search)
            assert _walked(search, limit=13) == expected, (asked, sort)
            # The way back from the end.
            if len(expected) > 3 and not asked.text:
                assert search.before(search.place_of(expected[-1]), limit=3).items == expected[-4:-1][::-1]
            for before, item in list(pairwise(expected))[::21]:
                if not asked.text:
                    assert search.neighbours(item)[0] == [before]
                    assert search.neighbours(before)[1] == [item]
    assert sum(bool(_expected(items, ItemSearch(database, job, asked))) for asked in FILTERS) == len(FILTERS)


def test_counts_end_where_they_would_take_long(database: Database, job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ItemSearch(database, job).count() == Count(ITEMS)
    assert ItemSearch(database, job, ItemFilter(text="0/")).count() == Count(0)
    monkeypatch.setattr(item_search, "COUNTED", 10)
    assert ItemSearch(database, job).count() == Count(10, more=True)
    assert ItemSearch(database, job, ItemFilter(text="png")).count() == Count(10, more=True)
    monkeypatch.setattr(item_search, "SCANNED", 5)
    assert ItemSearch(database, job, ItemFilter(text="nowhere")).count() is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_order_is_an_index_and_nothing_is_sorted(database: Database, job: str) -> None:
    assert set(INDEXED) == set(MEASUREMENTS)
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    for column in SORTABLE:
        for descending in (False, True):
            _walked(ItemSearch(database, job, sort=ItemSort(column, descending)), limit=40)
    event.remove(database.engine, "before_cursor_execute", note)
    with database.read() as connection:
        for statement, parameters in statements:
            if statement.startswith("SELECT"):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                assert "TEMP B-TREE" not in str(plan), (statement, plan)


@pytest.mark.parametrize(
    ("column", "word"),
    [
        ("number", "-2"), ("number", "x"), ("number", "99999999999"), ("number", "1.5"), ("dice", "7"), ("dice", "%%"),
        ("dice", "WzEsMSwxXQ"), ("dice", "WyJ0ZXh0Iiw3XQ"), ("dice", "W3RydWUsN10"), ("path", "WzEsN10"),
        ("path", "WyJcdTAwMDAiLDdd"), ("path", "WyJcdWQ4MDAiLDdd"), ("dice", "WzEsLTdd"),
        ("dice", "WzFlOTk5OTk5OTk5OSwgMV0x"),
    ],
)  # fmt: skip
def test_a_place_that_was_made_up_is_refused(column: str, word: str) -> None:
    with pytest.raises(UsageError, match="leave `after` out"):
        Place.of_word(word, ItemSort(column))


def test_places_are_the_same_as_words_of_an_address() -> None:
    for column, place in (("number", Place(7, 7)), ("dice", Place(1 / 3, 7)), ("dice", Place(None, 7)),
                          ("path", Place("Körper/ä 1.png", 7))):  # fmt: skip
        assert Place.of_word(place.word(ItemSort(column)), ItemSort(column)) == place
    assert Place.of_word("", ItemSort()) is None
    with pytest.raises(UsageError, match="sort by one of number, path"):
        ItemSort.of_word("size")
    assert ItemSort.of_word("-dice").word == "-dice"
