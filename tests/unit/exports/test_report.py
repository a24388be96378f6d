"""The report: one file, all in it, with what the job holds."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from sqlalchemy import update

from shared.db.measurements import MEASUREMENTS
from shared.db.tables.jobs import ItemRow
from shared.flows.exports.report_numbers import BINS, WORST, Distribution
from tests.unit.exports.conftest import MakeJob, blobs
from tests.unit.exports.test_pictures import manifest

_VOID = {"meta", "br", "img"}


class Balanced(HTMLParser):
    """Fails where an element is not closed; keeps addresses and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_holds_all_that_it_shows(make: MakeJob, tmp_path: Path) -> None:
    masks = {f"{n:02}.png": blobs(seed=n) for n in range(22)}
    made = make({"<script>x.png": np.ones((30, 20), bool), **masks, "bad.png": None, "worse.png": None})
    made.services.store.delete([made.key("00.png", "source")])
    result = made.export("report", tmp_path / "r.html")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "r.html").read_text()
    read = Balanced()
    read.feed(page)
    assert read.open == []
    assert "<script" not in page
    assert "<script>x.png" in read.text
    # Nothing is fetched from anywhere, and nothing runs.
    assert len(read.addresses) == WORST - 1
    assert all(address.startswith("data:image/jpeg;base64,") for address in read.addresses)
    assert "No picture: " in read.text
    for words in ("truncated", "the file ends early", "a" * 64, "Nobody has graded", "Foreground"):
        assert words in read.text
    assert re.search(r"<dt>succeeded</dt><dd>23</dd>", page)
    assert f"The {WORST} least trusted results" in read.text
    assert "Foreground 100.0 %, " in read.text  # as pages write it
    assert "prefers-color-scheme: dark" in page
    assert manifest(tmp_path, "r.manifest.json")["counts"]["items"] == 25


def test_the_ends_of_a_range_are_in_its_histogram() -> None:
    distribution = Distribution(0.5, 1.0)
    for value in (0.5, 0.75, 1.0):
        distribution.add(value)
    assert (distribution.bins[0], distribution.bins[BINS - 1], sum(distribution.bins)) == (1, 1, 3)
    assert distribution.mean == 0.75


def test_a_range_without_an_end_grows_with_its_values() -> None:
    distribution = Distribution.of(MEASUREMENTS["objects"])
    for value in range(BINS):
        distribution.add(value)
    assert (distribution.low, distribution.high, distribution.bins) == (0, BINS, [1] * BINS)
    distribution.add(BINS)
    assert (distribution.high, distribution.bins) == (2 * BINS, [2] * (BINS // 2) + [1] + [0] * (BINS // 2 - 1))
    distribution.add(10**6)
    assert distribution.high / 2 <= 10**6 < distribution.high
    assert sum(distribution.bins) == distribution.count == BINS + 2
    assert distribution.mean == (sum(range(BINS + 1)) + 10**6) / (BINS + 2)


def test_objects_are_counted_as_in_the_table_of_images(make: MakeJob, tmp_path: Path) -> None:
    made = make({"a.png": blobs(), "b.png": blobs(seed=1)})
    with made.services.database.write() as connection:
        for number, path in enumerate(("a.png", "b.png")):
            connection.execute(
                update(ItemRow).where(ItemRow.path == path).values(objects=5.0 + number, area=1234.0 + number)
            )
    made.export("report", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "<dt>objects</dt><dd>11</dd>" in page
    assert "Objects 5, Area 1,234 px²" in page
    assert "<strong>Objects</strong>, mean 5.5" in page
    assert "<strong>Area</strong>, mean 1,234.5" in page
    assert "The 2 least trusted results" in page
