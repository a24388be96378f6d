"""A measurement is its declaration, its migration and its computation: see docs/extending.md."""

import html
import re
from pathlib import Path

from shared.db.database import SCHEMA_VERSION
from tests.unit.extending.conftest import House

DECLARED_IN = "shared/db/measurements.py"
SHOW = Path(__file__).with_name("show_a_measurement.py")
MIGRATION = '''"""How sharp the mask's edge is."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("sharpness", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("items", "sharpness")
'''


DECLARATION = """\
    sharpness: Annotated[
        {value}, Measurement("Sharpness", "slope at the mask's edge", digits=2, unit="1/px", {options})
    ]{default}
"""


def declare(house: House, value: str, options: str, default: str = "") -> set[str]:
    """Add the measurement `sharpness` and its column; return the files that this takes."""
    declaration = DECLARATION.format(value=value, options=options, default=default)
    house.insert(DECLARED_IN, declaration, after='"""The measurements of one image.')
    revision = f"{int(SCHEMA_VERSION) + 1:04}"
    migration = f"shared/db/migrations/versions/v{revision}_sharpness.py"
    house.write(migration, MIGRATION.format(revision=revision, before=SCHEMA_VERSION))
    return {DECLARED_IN, migration}


def test_a_measurement_of_each_image_arrives_everywhere_and_is_missed_where_it_is_not(house_copy: House) -> None:
    touched = declare(house_copy, "Value", 'minimum=0, maximum=9, gallery="sharp."')
    shown = house_copy.run(SHOW, "sharpness", "2.34567")
    assert house_copy.touched() == touched
    assert [row["sharpness"] for row in shown["results"]] == ["2.35"]
    assert [item["sharpness"] for item in (shown["item"], *shown["items"])] == [2.34567, 2.34567]
    assert shown["schema"] == {
        "anyOf": [{"type": "number", "minimum": 0, "maximum": 9}, {"type": "null"}],
        "description": "Slope at the mask's edge, in 1/px.",
        "title": "Sharpness",
    }
    assert ("Sharpness", "2.35 1/px slope at the mask's edge") in _shown(shown["page"])
    assert ("sharp.", "2.35 1/px") in _shown(shown["gallery"])
    assert shown["audit"] == []
    assert shown["audit without it"] == ["succeeded, but has no sharpness"]
    assert "missing 1 required keyword-only argument: 'sharpness'" in shown["worker"]  # its computation comes last


def test_a_measurement_against_the_truth_may_be_missing_and_need_not_stand_in_the_gallery(house_copy: House) -> None:
    touched = declare(house_copy, "float | None", "minimum=0", default=" = None")
    shown = house_copy.run(SHOW, "sharpness", "4")
    assert house_copy.touched() == touched
    assert [row["sharpness"] for row in shown["results"]] == ["4.00"]
    assert shown["item"]["sharpness"] == 4
    assert shown["schema"]["anyOf"] == [{"type": "number", "minimum": 0}, {"type": "null"}]
    numbers = _shown(shown["page"].split("<dt>State</dt>")[1])
    assert numbers[0] == ("Sharpness", "4.00 1/px slope at the mask's edge")
    assert [caption for caption, _ in _shown(shown["gallery"])] == ["Dice", "conf.", "quality"]
    assert shown["audit"] == shown["audit without it"] == []
    assert "sharpness=None" in shown["worker"]


def _shown(page: str) -> list[tuple[str, str]]:
    """The pairs of a page's lists, as they are read."""
    pairs = re.findall("<dt>(.*?)</dt>\\s*<dd>(.*?)</dd>", page, re.DOTALL)
    return [(label, " ".join(html.unescape(re.sub("<[^>]*>", " ", value)).split())) for label, value in pairs]
