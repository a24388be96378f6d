"""Tables at eighty columns, narrower, and in a pipe."""

import io

import pytest
from rich.console import Console

from shared import tables
from shared.tables import Column, print_table

ID = "01a206a4-0c0a-716e-8186-135f31bd38e3"
COLUMNS = (
    Column("id"),
    Column("name", wraps=True),
    Column("state"),
    Column("made", goes=2),
    Column("rate", right=True, goes=1),
)
NAME = "a name of several words that is long, and-a-word-that-is-longer-than-any-column-has-room-for"
ROW = (ID, NAME, "succeeded", "2026-11-28 10:00 UTC", "45.2")


def printed(width: int, *, boxed: bool = True) -> str:
    written = io.StringIO()
    to = Console(file=written, force_terminal=True, width=width, color_system=None)
    print_table(to, COLUMNS, [ROW, (), ROW], title=ID, boxed=boxed)
    return written.getvalue()


@pytest.mark.parametrize("boxed", [True, False])
@pytest.mark.parametrize("width", [72, 80, 100, 140])
def test_ids_and_states_stay_whole_and_nothing_is_cut(width: int, boxed: bool) -> None:
    shown = printed(width, boxed=boxed)
    assert shown.count(ID) == 3
    assert shown.count("succeeded") == 2
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width


def test_what_may_go_goes_in_its_order() -> None:
    assert "2026-11-28 10:00 UTC" in printed(200)
    assert "2026-11-28" not in printed(80)


def test_into_a_pipe_nothing_is_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(tables.console(), COLUMNS, [ROW] * 2, boxed=False)
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == ["id", "name", "state", "made", "rate"]
    assert len(rows) == 2
    assert all(text in row for row in rows for text in ROW)
