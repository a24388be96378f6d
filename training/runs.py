"""List the training runs of a folder: data, score on what was held out, cost, and what was set differently.

    python -m training.runs                                # those in runs/
    python -m training.runs elsewhere --csv runs.csv --json runs.json

Runs on the same data stand together, the oldest first, and each is told by what differs from that one: written as --set
takes it. The score is the Dice on pairs that were held out, as `training.evaluate --data --record` found it, else as
training did. Exit codes: 0 listed; 1 some cannot be read; 2 a wrong argument, or no run.
"""

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.commandline import ExitCode, Parser, ended, printable
from shared.errors import UsageError
from shared.formulas import guarded
from shared.output import replace_unknown_characters
from shared.tables import Column, console, print_table
from training.run.history import Compared, compared_runs

_DIFFERENCES = 6  # in the table at most; the files have all
FILE_COLUMNS = (
    "run", "data", "dice", "scored_on", "held_out", "samples", "minutes", "ended", "finished", "differences",
)  # fmt: skip
_COLUMNS = (
    Column("run", wraps=True),
    Column("Dice", right=True),
    Column("held out", right=True, goes=2),
    Column("samples", right=True, goes=3),
    Column("min", right=True),
    Column("ended", goes=1),
    Column("differs in", wraps=True),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    replace_unknown_characters()
    parser = Parser("training.runs", "List training runs: data, score, cost, and what was set differently.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs"), help="that they are in (default: runs)")
    parser.add_argument("--csv", type=Path, help="write a row for each run to this file")
    parser.add_argument("--json", type=Path, help="write the same to this file, with every config")
    options = parser.parse_args(arguments)
    return ended("training.runs", lambda: _list(options.folder, options.csv, options.json))


def _list(folder: Path, to_csv: Path | None, to_json: Path | None) -> int:
    found, unread = compared_runs(folder)
    _print(folder, found)
    for line in unread:
        print(f"cannot be read: {printable(line)}", file=sys.stderr)
    told = [_told(folder, each) for each in found]
    try:
        if to_csv:
            _write_csv(to_csv, told)
        if to_json:
            runs = [row | {"config": each.run.config} for row, each in zip(told, found, strict=True)]
            to_json.write_text(json.dumps({"runs": runs}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}") from error
    return ExitCode.SOME_FAILED if unread else ExitCode.SUCCEEDED


def _told(folder: Path, compared: Compared) -> dict[str, Any]:
    run = compared.run
    return {
        "run": _name(folder, compared),
        "data": run.data,
        "dice": run.score and run.score.dice,
        "scored_on": run.score and run.score.of,
        "held_out": run.held_out,
        "samples": run.samples,
        "minutes": run.minutes,
        "ended": compared.when.isoformat(timespec="seconds"),
        "finished": run.finished,
        "differences": list(compared.differences),
    }


def _write_csv(path: Path, told: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FILE_COLUMNS)
        writer.writeheader()
        for row in told:
            cells = {**row, "differences": "; ".join(row["differences"])}
            writer.writerow({key: guarded(cell) if isinstance(cell, str) else cell for key, cell in cells.items()})


def _print(folder: Path, found: Sequence[Compared]) -> None:
    to = console()
    for data in dict.fromkeys(each.run.data for each in found):
        rows = [tuple(_cells(folder, each)) for each in found if each.run.data == data]
        print_table(to, _COLUMNS, rows, title=f"on {printable(data)}", boxed=False)


def _cells(folder: Path, compared: Compared) -> Iterator[str]:
    run, differences = compared.run, compared.differences
    yield printable(_name(folder, compared))
    yield f"{run.score.dice:.4f}" if run.score else "–"
    yield str(run.held_out or "–")
    yield f"{run.samples:,}"
    yield f"{run.minutes:.1f}"
    yield f"{compared.when:%Y-%m-%d %H:%M}"
    what = [printable(each) for each in differences[:_DIFFERENCES]]
    if more := differences[_DIFFERENCES:]:
        what.append(f"and {len(more)} more")
    elif not what:
        what.append("– (the first)" if compared.is_first else "nothing")
    yield "\n".join(what if run.finished else [*what, "(not finished)"])


def _name(folder: Path, compared: Compared) -> str:
    path = compared.run.path
    return str(path.relative_to(folder)) if path != folder else path.resolve().name


if __name__ == "__main__":
    sys.exit(main())
