"""Exports of tables: one row for each item, as results.csv has it, in formats for programs.

Columns and their types follow from the declarations of `shared.db.measurements` and `table.RESULT_COLUMNS`, never from
the data: an export of nothing has them all.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared.db.measurements import MEASUREMENTS
from shared.flows.exports.byte_sink import ByteSink
from shared.flows.exports.export import Export, ExportFile, WrittenFile
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.marker import RESULTS_CSV
from shared.flows.exports.table import RESULT_COLUMNS, result_row, results_csv
from shared.formulas import original
from shared.jobs.records import Item

if TYPE_CHECKING:
    import pyarrow as pa

IMAGES_PARQUET = "images.parquet"
_ROWS_A_GROUP = 10_000
_WHOLE = ("width", "height")
_DECIMAL = ("seconds", *MEASUREMENTS, "area_um2", "pixel_width_um", "pixel_height_um")
# A spreadsheet takes a text that begins like a formula for one, which a Parquet file's reader does not.
_GUARDED = ("path", "error", "note", "grade_note", "graded_by", "corrected_by")


def parquet(schema: "pa.Schema", rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield a Parquet file of these rows, some ten thousand at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink, remaining = ByteSink(), iter(rows)
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        while group := list(islice(remaining, _ROWS_A_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            yield sink.taken()
    yield sink.taken()


def image_schema() -> "pa.Schema":
    """Return the columns of images.parquet, those of results.csv, with their types."""
    import pyarrow as pa

    return pa.schema([(name, _type(name)) for name in RESULT_COLUMNS])


def _type(name: str) -> "pa.DataType":
    import pyarrow as pa

    if name in _WHOLE:
        return pa.int32()
    return pa.float64() if name in _DECIMAL else pa.string()


def image_row(item: Item, file: str) -> dict[str, Any]:
    """Return an item's row of images.parquet: numbers in full, text as it is, None where there is no value."""
    row: dict[str, Any] = {name: text or None for name, text in result_row(item, file).items()}
    for name in _GUARDED:
        row[name] = row[name] and original(row[name])
    return row | {name: getattr(item, name) for name in (*_WHOLE, *_DECIMAL)}


def _csv(results: JobResults) -> Iterator[ExportFile]:
    yield WrittenFile(RESULTS_CSV, lambda: results_csv(results.named()))


def _parquet(results: JobResults) -> Iterator[ExportFile]:
    yield WrittenFile(IMAGES_PARQUET, lambda: parquet(image_schema(), (image_row(*named) for named in results.named())))


EXPORTS = (
    Export(
        "csv", "Table of images, CSV", f"{RESULTS_CSV}, a row for each input", _csv, lambda _: 1, top=(RESULTS_CSV,)
    ),
    Export(
        "parquet", "Table of images, Parquet", f"{IMAGES_PARQUET}, a row for each input", _parquet, lambda _: 1,
        top=(IMAGES_PARQUET,), needs=("pyarrow",),
    ),
)  # fmt: skip
