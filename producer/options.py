"""Options and arguments that several commands have."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from shared.flows.exports.registry import DEFAULT, EXPORTS
from shared.flows.pages import pages_of_text
from shared.images.channel_choice import AUTO, channel_of
from shared.images.scale import scale_of
from shared.images.threshold import threshold_of
from shared.jobs.records import Priority, Unfamiliar

FOLDER = click.Path(file_okay=False, path_type=Path)

_Command = Callable[..., Any]


def _all_of(*options: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    """Make one decorator of several options, which the help lists in this order."""

    def give(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return give


job_argument = click.argument("reference", metavar="JOB")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
sheet_option = click.option(
    "--contact-sheet", "sheet", is_flag=True, help="Draw DIR/contact-sheet.png: input, truth, probability, mask, Dice."
)


def _format_option(text: str, **differs: Any) -> Callable[[_Command], _Command]:
    return click.option(
        "--format",
        "export",
        type=click.Choice(list(EXPORTS)),
        callback=lambda _context, _option, name: EXPORTS[name],
        help=f"{text}{'; '.join(f'{name}: {of.description}' for name, of in EXPORTS.items())}.",
        **differs,
    )


format_option = _format_option("What to download. ", default=DEFAULT.name, show_default=True)
needed_format_option = _format_option("", required=True)

priority_option = click.option(
    "--priority",
    type=click.Choice([priority.word for priority in Priority], case_sensitive=False),
    default=Priority.NORMAL.word,
    show_default=True,
    callback=lambda _context, _option, word: Priority.of_word(word),
    help="Jobs of a higher priority go first, those of the same take turns.",
)


class NamedOption(click.Option):
    """An option that takes one of some names, which its help lists in place of `{}`; reading them needs numpy."""

    def __init__(self, *arguments: Any, names: Callable[[], Iterable[str]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._names = names

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option and its help, with the names."""
        record = super().get_help_record(ctx)
        *others, last = self._names()
        return record and (record[0], record[1].format(f"{', '.join(others)} or {last}" if others else last))


def noises() -> Iterable[str]:
    """Return the names of the noises."""
    from shared.synth import NOISE_LABELS

    return NOISE_LABELS


def definitions() -> Iterable[str]:
    """Return the names of the definitions of the task."""
    from shared.synth import DEFINITIONS

    return DEFINITIONS


paths_argument = click.argument(
    "paths", metavar="FOLDER_OR_FILES...", nargs=-1, type=click.Path(path_type=Path, resolve_path=False)
)


choosing_options = _all_of(
    click.option("--recursive/--no-recursive", "-r", default=False, help="Take the images of subfolders too."),
    click.option(
        "--follow-links/--no-follow-links",
        default=False,
        help="Follow links out of the folder, and with --recursive those to folders; else they fail or are left out.",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="PATTERN",
        help="Leave out what matches, by name or relative path, such as '*_mask.png' or 'old/*'; may be repeated.",
    ),
    click.option(
        "--manifest",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="CSV",
        help="Submit the files of a table's column path, under its column name; other columns come back in "
        "results.csv.",
    ),
    click.option(
        "--pages",
        default="first",
        show_default=True,
        metavar="first|all|N|A-B",
        callback=lambda _context, _option, text: pages_of_text(text),
        help="Of a TIFF of several pages: the first, or each of these as an image of its own, called stack.tif#0007.",
    ),
)
"""What chooses among the files of a command's arguments, see `producer.chosen.Choice`."""

to_option = click.option(
    "--to", "folder", type=FOLDER, metavar="DIR", help="Download the results to DIR (and wait for them)."
)


waiting_options = _all_of(
    click.option("--wait", is_flag=True, help="Wait for the job to end and print how it went."),
    to_option,
    format_option,
    json_option,
)
"""What all commands have that may wait for their job."""

scale_option = click.option(
    "--scale",
    default="1",
    show_default=True,
    metavar="S|auto",
    callback=lambda _context, _option, text: scale_of(text),
    help="Resample by S for the network, 0.1 to 4: 0.25 where dots lie 4 times as far apart; auto: each image by the "
    "spacing of its dots. Results keep their size.",
)

unfamiliar_option = click.option(
    "--unfamiliar",
    type=click.Choice([each.value for each in Unfamiliar]),
    default=Unfamiliar.FLAG.value,
    show_default=True,
    callback=lambda _context, _option, word: Unfamiliar(word),
    help="Images unlike anything that the model knows: flag them in their results, or refuse them, so that they fail.",
)

truth_options = _all_of(
    click.option(
        "--truth",
        type=FOLDER,
        metavar="DIR",
        help="Score results against the masks of this folder, paired by name as in training: Dice, IoU and more.",
    ),
    click.option(
        "--foreground",
        metavar="nonzero|half|alpha|VALUES",
        help="What of the masks of --truth counts, where they have more than two values: all but 0, what is over half "
        "of the range, what is opaque, or values or colours as 1,3 or #ff0000.",
    ),
)
"""What says that a batch is scored."""

channel_option = click.option(
    "--channel",
    default=AUTO,
    show_default=True,
    metavar="N|red|green|blue|luma|mean|max|auto",
    callback=lambda _context, _option, text: channel_of(text),
    help="What of several channels is segmented: one by number or colour as it is stored, or a mix; auto: the light, "
    "or what shows more, which a note tells.",
)

model_options = _all_of(
    click.option(
        "--model",
        metavar="NAME",
        help="The published model that segments them, by its name (of several the one published last) or four or more "
        "digits of its SHA-256. Without it: the active one.",
    ),
    click.option(
        "--threshold",
        metavar="P",
        callback=lambda _context, _option, text: None if text is None else threshold_of(text),
        help="Foreground is what is as probable or more, between 0 and 1. Without it: the model's own.",
    ),
)
"""Which network segments, and where its map is cut."""
