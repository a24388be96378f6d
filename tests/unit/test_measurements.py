"""What follows from a measurement's declaration: everything but its value and its migration."""

from dataclasses import fields
from pathlib import Path

import pytest

from admin.api.schemas.items import Item as ShownItem
from shared.db.measurements import MEASUREMENTS, NEED_SCORES, NEED_TRUTH, OF_OBJECTS, REQUIRED, Measurement
from shared.db.tables.jobs import ItemRow
from shared.flows.exports.table import RESULT_COLUMNS
from shared.jobs.records import Item, Success

README = Path(__file__).parents[2] / "README.md"
SHARE = Measurement("Share", "part of the whole", digits=2, minimum=0, maximum=1)


def test_these_are_measured() -> None:
    assert list(MEASUREMENTS) == [
        "foreground", "confidence", "trust", "quality", "quality_low", "familiarity", "dice", "iou", "precision",
        "recall", "objects", "area",
    ]  # fmt: skip
    assert {"foreground", "confidence", "trust"} == REQUIRED
    assert {"quality", "quality_low", "familiarity"} == NEED_SCORES
    assert {"dice", "iou", "precision", "recall"} == NEED_TRUTH
    assert {"objects", "area"} == OF_OBJECTS


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_rows_results_and_items_have_each(name: str) -> None:
    assert ItemRow.__table__.columns[name].nullable
    for record in (Success, Item):
        assert name in {field.name for field in fields(record)}


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_result_without_one_is_none(name: str) -> None:
    result = {field.name: None for field in fields(Success) if field.name != name}
    with pytest.raises(TypeError, match=name):
        Success(**result)  # type: ignore[arg-type]


def test_files_have_them_in_the_order_of_their_declaration() -> None:
    assert RESULT_COLUMNS == (
        "path", "file", "state", "error_code", "error", "width", "height", "finding", "foreground", "confidence",
        "trust", "quality", "quality_low", "familiarity", "dice", "iou", "precision", "recall", "objects", "area",
        "area_um2", "pixel_width_um", "pixel_height_um", "unfamiliar", "reason", "explanation", "model",
        "model_name", "threshold", "postprocessing", "seconds", "note", "grade", "grade_note", "graded_by", "graded_at",
        "corrected_by", "corrected_at",
    )  # fmt: skip


def test_the_readme_names_the_columns_of_the_results() -> None:
    assert f"`{','.join(RESULT_COLUMNS)}`" in README.read_text("utf-8")


@pytest.mark.parametrize(("name", "measurement"), MEASUREMENTS.items())
def test_the_api_explains_each_and_says_its_range(name: str, measurement: Measurement) -> None:
    schema = ShownItem.model_json_schema(mode="serialization")
    limits = {"minimum": measurement.minimum, "maximum": measurement.maximum}
    number = {"type": "number"} | {limit: value for limit, value in limits.items() if value is not None}
    said = schema["properties"][name]
    assert said["anyOf"] == [number, {"type": "null"}]
    assert said["description"] == measurement.description
    assert name in schema["required"]


def test_an_explanation_becomes_a_sentence() -> None:
    assert SHARE.description == "Part of the whole."
    assert Measurement("Width", "mean width of a dot", digits=1, unit="px").description == "Mean width of a dot, in px."


@pytest.mark.parametrize(
    ("measurement", "value", "held"),
    [
        (SHARE, 0.0, True),
        (SHARE, 1.0, True),
        (SHARE, -0.01, False),
        (SHARE, 1.01, False),
        (SHARE, float("nan"), False),
        (Measurement("Any", "number", digits=1), -1e9, True),
        (Measurement("Count", "of dots", digits=0, minimum=0), 1e9, True),
        (Measurement("Count", "of dots", digits=0, minimum=0), -1.0, False),
    ],
)
def test_a_value_outside_of_the_range_is_told(measurement: Measurement, value: float, held: bool) -> None:
    assert measurement.holds(value) is held
