"""results.csv: one row for each input, in the order of submission.

`file` is what the input's files are called in each folder of the export. Text that comes from outside is guarded from
spreadsheets, see `shared.formulas`; names of files are portable, and so never begin like a formula.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain

from shared.db.measurements import MEASUREMENTS
from shared.db.reasons import sentence_of
from shared.formulas import guarded
from shared.jobs.records import Item, Mark

RESULT_COLUMNS = (
    "path", "file", "state", "error_code", "error", "width", "height", "finding", *MEASUREMENTS, "area_um2",
    "pixel_width_um", "pixel_height_um", "unfamiliar", "reason",
    "explanation", "model", "model_name", "threshold", "postprocessing", "seconds", "note", "grade", "grade_note",
    "graded_by", "graded_at", "corrected_by", "corrected_at",
)  # fmt: skip


def result_row(item: Item, file: str) -> dict[str, str]:
    """Return the item's row of results.csv, keyed by RESULT_COLUMNS; empty where there is no value.

    Args:
        item: as it stands.
        file: its output name; empty where it has no result.
    """
    return {
        "path": guarded(item.path),
        "file": file,
        "state": item.state.value,
        "error_code": item.error_code or "",
        "error": guarded(item.error or ""),
        "width": _whole(item.width),
        "height": _whole(item.height),
        "finding": "" if item.finding is None else item.finding.value,
        **{name: _decimal(getattr(item, name), of.digits) for name, of in MEASUREMENTS.items()},
        "area_um2": _decimal(item.area_um2, 4),
        "pixel_width_um": _number(item.pixel_width_um),
        "pixel_height_um": _number(item.pixel_height_um),
        "unfamiliar": "" if item.familiarity is None else "yes" if Mark.UNFAMILIAR in item.marks else "no",
        "reason": item.reason or "",
        "explanation": sentence_of(item.reason, item.reason_place),
        "model": item.model or "",
        "model_name": guarded(item.model_name or ""),
        "threshold": _number(item.threshold),
        "postprocessing": item.postprocessing or "",
        "seconds": _decimal(item.seconds, 3),
        "note": guarded(item.note or ""),
        "grade": item.review.grade or "",
        "grade_note": guarded(item.review.note or ""),
        "graded_by": guarded(item.review.graded_by or ""),
        "graded_at": _moment(item.review.graded_at),
        "corrected_by": guarded(item.review.corrected_by or ""),
        "corrected_at": _moment(item.review.corrected_at),
    }


def results_csv(items: Iterable[tuple[Item, str]]) -> Iterator[bytes]:
    """Yield results.csv, a row at a time, in UTF-8, of items with their output names.

    Lines end in CRLF as RFC 4180 has it: with LF alone Python's writer does not quote a name with a carriage return.
    """
    remaining = iter(items)
    first = next(remaining, None)
    more = described_columns(None if first is None else first[0])
    writer = csv.DictWriter(_Returning(), [*RESULT_COLUMNS, *map(guarded, more)])
    yield writer.writeheader()
    for item, file in chain([] if first is None else [first], remaining):
        told = item.described or {}
        described = {guarded(column): guarded(str(told.get(name, ""))) for column, name in more.items()}
        yield writer.writerow(result_row(item, file) | described)


def described_columns(item: Item | None) -> dict[str, str]:
    """Return the columns of results.csv that come from a manifest, each with what it is called there.

    Every item of a submission with a manifest has all of its columns. One that is called as a column of ours gets
    `manifest_` before it.
    """
    names = () if item is None else (item.described or ())
    columns: dict[str, str] = {}
    for name in names:
        column = name
        while column in RESULT_COLUMNS or column in columns:
            column = f"manifest_{column}"
        columns[column] = name
    return columns


class _Returning:
    """A file that gives back what is written to it."""

    def write(self, line: str) -> bytes:
        return line.encode()


def _whole(value: int | None) -> str:
    return "" if value is None else str(value)


def _moment(timestamp: float | None) -> str:
    """A Unix time in UTC, as RFC 3339 has it."""
    return "" if timestamp is None else datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="seconds")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


def _decimal(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
