"""A table of points: CSV in UTF-8 with a header, with a column for x, one for y and perhaps one for a weight.

What is wrong with a table is one line, with what to do about it.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from shared.errors import ItemError, ItemErrorCode

MAX_POINTS = 2_000_000
DELIMITERS = ",;\t"

_UNIT = re.compile(r"^(?P<name>.*?)\s*[\[(]\s*(?P<unit>[^\])]{1,40}?)\s*[\])]$", re.DOTALL)  # `x [nm]`
_NO_NUMBER = re.compile(r"could not convert string (?P<text>'.*') to float64 at row (?P<row>\d+)", re.DOTALL)
_SHORT_ROW = re.compile(r"invalid column index \d+ at row (?P<row>\d+)")
_MOST = 1e100  # of a number, whose square is one too
_SHOWN = 10  # columns that a line names
_LETTERS = 40  # of what a line shows of a cell


@dataclass(frozen=True, eq=False)
class Points:
    """The points of a table that weigh something, in its order and units.

    Args:
        places: (N, 2) float64 of x and y, finite; N is 1 at least.
        weights: (N,) float64, finite and above 0; None where the table has none.
        unit: as the header has it, `x [nm]`; "" where it has none.
    """

    places: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    unit: str


def read_points(data: bytes, names: Sequence[str], *, needs_all: bool = False) -> Points:
    """Read a table.

    Args:
        data: its bytes.
        names: what the columns of x, y and the weight are called there, without their units, in any case. Without a
            third name, or a column of it, all points weigh the same.
        needs_all: whether a table without the third column is refused.

    Raises:
        ItemError: `bad_points`.
    """
    lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig")
    try:
        header = next((line for line in lines if line.strip()), "").strip("\n")
        if not header:
            _refuse(f"it is empty: its first line names its columns, {names[0]} and {names[1]} among them")
        delimiter = max(DELIMITERS, key=header.count)
        columns, unit = _columns(header, delimiter, names, len(names) if needs_all else 2)
        values = _values(lines, delimiter, columns)
    except UnicodeDecodeError:
        _refuse("it is not UTF-8: save it as CSV in UTF-8")
    _check(values, names)
    if len(columns) == 2:
        return Points(values, None, unit)
    seen = values[values[:, 2] > 0]
    return Points(seen[:, :2], seen[:, 2], unit)


def _columns(header: str, delimiter: str, names: Sequence[str], needed: int) -> tuple[list[int], str]:
    """Return where the columns of these names are, so many of which are needed, and the unit of x and y."""
    try:
        [cells] = csv.reader([header], delimiter=delimiter)
    except (csv.Error, ValueError):
        _refuse("its first line is no header of a CSV: it names the columns, with commas, semicolons or tabs")
    if all(_is_number(cell) for cell in cells):
        _refuse(f"it has no header: its first line has to name the columns, {names[0]} and {names[1]} among them")
    split = [_named(cell) for cell in cells]
    found: list[int] = []
    for number, name in enumerate(names):
        at = [place for place, (each, _) in enumerate(split) if each == name.strip().lower()]
        if len(at) > 1:
            _refuse(f"it has the column {name} twice: rename one")
        if at:
            found.append(at[0])
        elif number < needed:
            has = ", ".join(" ".join(cell.split())[:_LETTERS] for cell in cells[:_SHOWN])
            _refuse(f"it has no column {name} (it has {has}): --point-columns says what they are called")
    units = [split[place][1] for place in found[:2]]
    if units[0] != units[1]:
        _refuse(f"x is in {units[0] or 'no unit'} and y in {units[1] or 'no unit'}: give both in the same")
    return found, units[0]


def _named(cell: str) -> tuple[str, str]:
    """Return what a column is called, in small letters, and its unit."""
    cell = cell.strip()
    with_unit = _UNIT.match(cell)
    name, unit = (with_unit["name"], with_unit["unit"]) if with_unit else (cell, "")
    return name.strip().lower(), unit


def _values(lines: Iterable[str], delimiter: str, columns: Sequence[int]) -> NDArray[np.float64]:
    rows = (line for line in lines if line.strip())
    first = next(rows, None)
    if first is None:
        _refuse("it has a header and no points")
    try:
        values: NDArray[np.float64] = np.loadtxt(
            islice(chain([first], rows), MAX_POINTS + 1),
            delimiter=delimiter,
            usecols=columns,
            comments=None,
            quotechar='"',
            ndmin=2,
        )
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        message = str(error)
        if wrong := _NO_NUMBER.search(message):
            shown = " ".join(wrong["text"].split())[:_LETTERS]
            _refuse(f"row {int(wrong['row']) + 1}: {shown} is no number, such as 12.5 or 1e3")
        if short := _SHORT_ROW.search(message):
            _refuse(f"row {short['row']} has fewer cells than the header")
        _refuse("its rows are no table of numbers: save it as CSV")
    if len(values) > MAX_POINTS:
        _refuse(f"it has more than {MAX_POINTS:,} points: cut it into parts")
    return values


def _check(values: NDArray[np.float64], names: Sequence[str]) -> None:
    for place, name in enumerate(names[: values.shape[1]]):
        unusable = np.flatnonzero(~(np.abs(values[:, place]) <= _MOST))  # NaN too
        if unusable.size:
            _refuse(
                f"row {unusable[0] + 1}: {name} is not finite, or over {_MOST:g} ({unusable.size:,} such): leave these "
                "points out"
            )
    if values.shape[1] > 2:
        negative = np.flatnonzero(values[:, 2] < 0)
        if negative.size:
            _refuse(f"row {negative[0] + 1}: {names[2]} is below 0: a weight is 0 or more")
        if not values[:, 2].any():
            _refuse(f"{names[2]} is 0 everywhere: there is nothing to draw")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _refuse(reason: str) -> NoReturn:
    raise ItemError(ItemErrorCode.BAD_POINTS, reason)
