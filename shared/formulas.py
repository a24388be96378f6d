"""Text in tables that a spreadsheet would take for a formula, and run.

A cell that begins with `=`, `+`, `-` or `@`, with a tab or an end of line, or with one of these behind quotes or
blanks, gets an apostrophe before it, unless it is a number below 0 and nothing else. The text itself comes back
exactly: `original` takes one apostrophe away where such a beginning follows, and `guarded` puts one more before a text
that has one of its own.
"""

import re

# The full-width forms are formulas in some spreadsheets; the apostrophe is among the quotes, so that nothing is
# ambiguous.
_FORMULA = re.compile(r"""[\s"']*[=+\-@\t\r\n＝＋－＠]""")
_NUMBER = re.compile(r"-[0-9]{1,400}(\.[0-9]{1,400})?(e[+-]?[0-9]{1,4})?")
_GUARD = "'"


def begins_formula(text: str) -> bool:
    """Whether a spreadsheet may take the text for a formula."""
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None


def guarded(text: str) -> str:
    """Return the text as it is safe in a cell."""
    return _GUARD + text if begins_formula(text) else text


def original(cell: str) -> str:
    """Return the text that `guarded` made the cell of."""
    return cell[1:] if cell.startswith(_GUARD) and begins_formula(cell[1:]) else cell
