"""The frame of the benchmarks: medians and quartiles, turns, and the way into the document."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, DOCUMENT
from benchmarks.measure import Row, alternate, markdown, ratios
from benchmarks.report import MARKERS, document, merged
from shared.config import CHECKOUT
from shared.errors import UsageError

ABOUT = {
    "date": "2026-11-23 13:00 UTC", "commit": "0123456789abcdef", "model": "aa", "cpu": "a CPU", "cores": 2,
    "memory_gib": 8.0, "gpu": None, "system": "Linux", "python": "3.11", "versions": {"torch": "2.13"},
    "command": "python -m benchmarks",
}  # fmt: skip
RUN = {"date": ABOUT["date"], "commit": ABOUT["commit"], "seconds": 12}


def test_a_row_is_the_median_and_the_quartiles_of_its_samples() -> None:
    row = Row.of("rate", "images/s", [5, 1, 2, 4, 3], at_least=2.5)
    assert (row.lower_quartile, row.value, row.upper_quartile, row.target) == (2, 3, 4, "≥ 2.5")


def test_sides_take_turns_forwards_and_backwards() -> None:
    order: list[str] = []

    def side(name: str) -> float:
        order.append(name)
        return float(len(order))

    found = alternate({"a": lambda: side("a"), "b": lambda: side("b")}, rounds=2)
    assert order == ["a", "b", "b", "a"]
    assert ratios(found["a"], found["b"]) == [1 / 2, 4 / 3]


def test_a_later_run_replaces_its_own_rows_alone(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    both = {"latency": [Row.of("x", "ms", [1])], "scale": [Row.of("y", "MiB", [2])]}
    path.write_text(json.dumps(merged(path, ABOUT, {"latency": RUN, "scale": RUN}, both)))
    results = merged(path, ABOUT, {"latency": RUN}, {"latency": [Row.of("z", "ms", [3])]})
    assert [(row["benchmark"], row["name"], row["value"]) for row in results["results"]] == [
        ("scale", "y", 2), ("latency", "z", 3),
    ]  # fmt: skip
    text = document(results, BENCHMARKS)
    assert text.index(BENCHMARKS["scale"]) < text.index(BENCHMARKS["latency"])
    assert "| z | 3 | 3 – 3 | ms |  |" in text
    assert "| gpu |" not in text


def test_tables_come_between_the_markers(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"before\n{MARKERS.begin}\nold\n{MARKERS.end}\nafter\n")
    MARKERS.insert(path, markdown([Row.of("new", "ms", [1])]))
    text = path.read_text()
    assert "old" not in text
    assert "| new |" in text
    assert text.startswith("before")
    assert text.endswith("after\n")


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("nothing\n")
    with pytest.raises(UsageError, match="bench: begin"):
        MARKERS.insert(path, "")


def test_the_page_has_a_place_for_the_tables() -> None:
    text = DOCUMENT.read_text()
    assert text.index(MARKERS.begin) < text.index(MARKERS.end)


def test_every_benchmark_is_run() -> None:
    having_rows = {
        path.stem
        for path in (CHECKOUT / "benchmarks").glob("*.py")
        if re.search(r"^def rows\(", path.read_text(), re.MULTILINE)
    }
    assert having_rows == BENCHMARKS.keys()
