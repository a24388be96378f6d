import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.formulas import begins_formula, guarded, original

_odd = st.text(st.sampled_from(list("=+-@\t\r\n '\"a1＝")), max_size=6) | st.text(max_size=8)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1.png",
        "@SUM(A1)",
        "\t=1",
        "\tx",
        "\rx",
        "\nx",
        " =1",
        '"=1"',
        "'=1",
        "''=1",
        "\u00a0=1",
        "＝1",
        "-1+2",
        "-1e5+1",
        "-1\n",
        "--1",
        "-",
    ],
)
def test_what_a_spreadsheet_would_run_begins_with_an_apostrophe(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert original(f"'{text}") == text


@pytest.mark.parametrize(
    "text", ["", "a.png", "a=1", "x/-1.png", "'quoted'", "' a", "1e-3", "ünï-1.png", "_=1", "-1", "-0.625", "-1e-05"]
)
def test_other_text_stays(text: str) -> None:
    assert guarded(text) == original(text) == text


@given(_odd)
@example("'=")
@example("'\t")
@example("'-1")
@example("-1")
def test_every_text_comes_back(text: str) -> None:
    assert original(guarded(text)) == text
    assert not begins_formula(guarded(text)) or guarded(text)[0] == "'"


@given(st.text(max_size=8), st.text(max_size=8))
def test_no_two_texts_become_one_cell(one: str, other: str) -> None:
    assert (guarded(one) == guarded(other)) is (one == other)


@given(_odd)
def test_a_table_gives_it_back(text: str) -> None:
    written = io.StringIO()
    csv.writer(written).writerow([guarded(text), "x"])
    [[cell, _]] = csv.reader(io.StringIO(written.getvalue(), newline=""))
    assert original(cell) == text
