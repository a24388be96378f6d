"""Tables that keep what is copied from them: ids and states whole, at any width of a terminal and in a pipe."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Where there is no terminal there is no width to fit into, and a line is a line.
_NO_WIDTH = 100_000


@dataclass(frozen=True)
class Column:
    """A column of a table.

    `wraps`: its text may go on in the next line; that of other columns stays whole. Where the table is too wide all the
    same, the column with the highest `goes` is left out first, and those with 0 never.
    """

    heading: str
    right: bool = False
    wraps: bool = False
    goes: int = 0


def console() -> Console:
    """Return standard output as a console, which outside of a terminal wraps nothing."""
    terminal = Console(highlight=False)
    return terminal if terminal.is_terminal else Console(highlight=False, width=_NO_WIDTH)


def print_table(
    to: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, title: str = "", boxed: bool = True
) -> None:
    """Print rows of plain text, fitted into the console's width.

    Args:
        to: the console.
        columns: one for each text of a row.
        rows: an empty one is a line between the rows around it.
        title: above the table, at its left.
        boxed: with lines around and between.
    """
    shown = list(range(len(columns)))
    while True:
        table = _table([columns[index] for index in shown], rows, shown, title, boxed=boxed)
        least = table.__rich_measure__(to, to.options.update(width=_NO_WIDTH, max_width=_NO_WIDTH)).minimum
        optional = [index for index in shown if columns[index].goes]
        if least <= to.width or not optional:
            break
        shown.remove(max(optional, key=lambda index: columns[index].goes))
    to.print(table)


def _table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int], title: str, *, boxed: bool
) -> Table:
    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        box=box.HEAVY_HEAD if boxed else None,
        pad_edge=boxed,
    )
    for column in columns:
        # A long word is folded, not cut: it may be a path.
        table.add_column(
            column.heading, justify="right" if column.right else "left", no_wrap=not column.wraps, overflow="fold",
            min_width=min(len(column.heading), 8) if column.wraps else None,
        )  # fmt: skip
    for row in rows:
        if row:
            table.add_row(*(Text(row[index]) for index in shown))
        else:
            table.add_section()
    return table
