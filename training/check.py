"""Look at a folder of images and masks before anything is trained on it.

    python -m training.check my-pairs                                  # and a sheet of outlines, my-pairs-check.png
    python -m training.check my-pairs --set foreground=nonzero         # masks with a number for each object
    python -m training.check my-pairs --set mask_suffix=_manual1 --sheet look.png

Tells sizes, depths, what of the masks is foreground and why, how much of it there is, suspects (inverted, shifted or
turned masks, outlines, doubles), and every fault at once. Training looks at the same before its first step. Exit codes:
0 it can be trained on; 1 it cannot, the faults are listed; 2 a wrong argument, or no folder of images.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.commandline import ExitCode, Parser, ended
from shared.errors import UsageError
from shared.output import replace_unknown_characters
from training.beginning import look_at
from training.config import apply_override
from training.data.config import DataConfig
from training.data.pairs.sheet import draw_sheet
from training.data.pairs.summary import lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    replace_unknown_characters()
    options = _parser().parse_args(arguments)
    return ended("training.check", lambda: _check(options))


def _parser() -> Parser:
    parser = Parser("training.check", "Look at a folder of images and masks before training on it.")
    parser.add_argument("folder", type=Path, help="the folder, which holds images and masks")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a value of `data`"
    )
    parser.add_argument("--sheet", type=Path, help="where the sheet is written (default: FOLDER-check.png, here)")
    return parser


def _check(options: argparse.Namespace) -> int:
    found = look_at(_config(options))
    print(*lines(found), sep="\n")
    if found.rules and found.facts:
        path = options.sheet or Path(f"{options.folder.resolve().name}-check.png")
        try:
            draw_sheet(found).save(path, "PNG")
        except OSError as error:
            raise UsageError(f"{path} cannot be written ({error.strerror}): give another --sheet") from error
        print(f"outlines to look at: {path}")
    return ExitCode.SOME_FAILED if found.faults else ExitCode.SUCCEEDED


def _config(options: argparse.Namespace) -> DataConfig:
    settings: dict[str, Any] = {"data": {"kind": "folder", "folder": options.folder}}
    for each in options.overrides:
        apply_override(settings, f"data.{each.removeprefix('data.')}")
    try:
        return DataConfig.model_validate(settings["data"])
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"--set {'.'.join(map(str, first['loc'][:1]))}: {reason[:1].lower()}{reason[1:]}") from error


if __name__ == "__main__":
    sys.exit(main())
